"""The pictures of single images."""

import io
from typing import Tuple

import numpy as np
import pytest
from PIL import Image

from quant_accuracy.reporting.pictures import pictures


def _gray(width: int = 320, height: int = 240) -> Image.Image:
    return Image.new("RGB", (width, height), "#808080")


@pytest.mark.parametrize(("size", "shown"), [
    ((320, 240), (320, 240)), ((1120, 560), (560, 280)), ((560, 1120), (280, 560)), ((5600, 1), (560, 1)),
    ((1, 1), (1, 1)),
])
def test_large_images_become_smaller_and_keep_their_shape(size: Tuple[int, int], shown: Tuple[int, int]) -> None:
    found = Image.open(io.BytesIO(pictures.as_jpeg(_gray(*size))))

    assert (found.format, found.size) == ("JPEG", shown)


def test_the_same_picture_is_the_same_bytes_and_twelve_fit_into_a_page() -> None:
    noise = Image.fromarray(np.random.RandomState(0).normal(128, 12, [480, 640, 3]).astype(np.uint8))

    first, second = (pictures.as_jpeg(noise) for _ in range(2))

    assert first == second
    # As text they take a third more, and the page is to have two million bytes at most.
    assert 12 * len(first) * 4 / 3 < 1_300_000


def test_nothing_is_drawn_on_a_picture() -> None:
    shown = np.asarray(Image.open(io.BytesIO(pictures.as_jpeg(_gray()))))

    assert np.abs(shown.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1"])
def test_every_kind_of_image_is_decoded_as_rgb(mode: str) -> None:
    buffer = io.BytesIO()
    _gray(9, 7).convert(mode).save(buffer, "JPEG" if mode in ("L", "RGB", "CMYK") else "PNG")

    decoded = pictures.decode(buffer.getvalue())

    assert (decoded.mode, decoded.size) == ("RGB", (9, 7))


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0 cut short", b"GIF89a"])
def test_what_is_no_image_is_one_kind_of_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        pictures.decode(content)


def test_a_jpeg_that_is_cut_short_is_one_kind_of_error() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 255, [90, 90, 3]).astype(np.uint8)).save(buffer, "JPEG")

    with pytest.raises(ValueError, match="truncated"):
        pictures.decode(buffer.getvalue()[:2000])
