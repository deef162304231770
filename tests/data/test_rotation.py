"""Marks that ask viewers to turn an image."""

import io
from typing import Optional

import pytest
from PIL import Image

from quant_accuracy.data import rotation


def _marked(value: Optional[int], form: str = "JPEG") -> Image.Image:
    buffer, exif = io.BytesIO(), Image.Exif()
    if value is not None:
        exif[0x0112] = value
    Image.new("RGB", (6, 4)).save(buffer, form, exif=exif.tobytes())
    return Image.open(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize(("value", "turn"), [(2, "mirrored;"), (3, "180 degrees"), (6, "90 degrees"),
                                             (8, "270 degrees")])
def test_a_mark_is_told_with_what_viewers_do(value: int, turn: str) -> None:
    found = rotation.of_image(_marked(value))

    assert found is not None
    assert found.value == value
    assert f"orientation {value} " in found.text()
    assert turn in found.text()


@pytest.mark.parametrize("value", [None, 0, 1, 9, 255])
def test_what_turns_nothing_is_no_mark(value: Optional[int]) -> None:
    assert rotation.of_image(_marked(value)) is None


def test_a_damaged_mark_is_none() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")

    assert rotation.of_image(Image.open(io.BytesIO(buffer.getvalue()))) is None
