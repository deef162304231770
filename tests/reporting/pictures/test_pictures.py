"""The pictures of single images, looked at pixel by pixel."""

import io
import itertools
from typing import List, Tuple

import numpy as np
import pytest
from PIL import Image

from quant_accuracy.reporting.pictures import pictures
from quant_accuracy.reporting.pictures.scenes import Detection, Object, Scene, Side
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG

_APS = {"float": 0.8333, "quantized": 0.5}
_COLOURS = {name: tuple(int(code[at:at + 2], 16) for at in (1, 3, 5)) for name, code in (
    ("blue", pictures._BLUE), ("green", pictures._GREEN), ("red", pictures._RED), ("orange", pictures._ORANGE))}


def _scene(name: str = "car", crowd: bool = False) -> Scene:
    thing = Object((40.0, 60.0, 100.0, 80.0), name, crowd)
    right = Detection((42.0, 61.0, 100.0, 80.0), name, 0.87, RIGHT, 0.93)
    wrong = Detection((180.0, 30.0, 60.0, 60.0), name, 0.41, WRONG, 0.0)
    grey = Detection((200.0, 150.0, 60.0, 40.0), name, 0.35, UNCOUNTED, 0.0)
    return Scene(12, [thing], {"float": Side([right], []), "quantized": Side([wrong, grey], [thing])}, 0.3, 0.3)


def _gray(width: int = 320, height: int = 240) -> Image.Image:
    return Image.new("RGB", (width, height), "#808080")


def _drawn(scene: Scene, image: Image.Image) -> List[np.ndarray]:
    """The three panels below their captions, float64 [height, width, 3]."""
    whole = np.asarray(pictures.draw(image, scene, _APS)).astype(float)
    width = (whole.shape[1] + pictures._GAP) // 3
    inside = whole[pictures._CAPTION:-pictures._FOOT]
    return [inside[:, start:start + width - pictures._GAP] for start in range(0, whole.shape[1], width)]


def _has(panel: np.ndarray, colour: str) -> bool:
    return bool((np.abs(panel - _COLOURS[colour]).max(axis=-1) < 2).sum() > 50)


def test_boxes_have_the_colour_of_what_became_of_them() -> None:
    truth, before, after = _drawn(_scene(), _gray())

    assert [[colour for colour in _COLOURS if _has(panel, colour)] for panel in (truth, before, after)] == [
        ["blue"], ["green"], ["red", "orange"]]


def test_a_box_stands_where_the_detection_is() -> None:
    _, before, _ = _drawn(_scene(), _gray())

    rows, columns = np.nonzero(np.abs(before - _COLOURS["green"]).max(axis=-1) < 2)
    scale = pictures._PANEL / 320
    assert columns.min() == pytest.approx(42 * scale, abs=1)
    assert rows.max() == pytest.approx(141 * scale, abs=2)


def test_missed_objects_are_dashed() -> None:
    _, _, after = _drawn(_scene(), _gray())
    scale = pictures._PANEL / 320

    line = after[round(140 * scale), round(40 * scale):round(140 * scale)]
    orange = np.abs(line - _COLOURS["orange"]).max(axis=-1) < 2
    changes = int(np.abs(np.diff(orange.astype(int))).sum())
    assert changes > 10


def test_a_crowd_is_hatched() -> None:
    plain, hatched = (_drawn(_scene(crowd=crowd), _gray())[0] for crowd in (False, True))

    inside = (slice(80, 130), slice(60, 130))
    assert plain[inside].std() < 1
    assert hatched[inside].std() > 3


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (40, 30), (3000, 200), (20, 900), (1, 1)])
def test_panels_are_at_most_360_pixels_wide_and_show_any_image(size: Tuple[int, int]) -> None:
    picture = pictures.draw(_gray(*size), _scene(), _APS)

    assert picture.width <= 3 * 360 + 2 * pictures._GAP
    assert picture.height <= 420


def test_the_same_picture_is_the_same_bytes_and_small() -> None:
    noise = Image.fromarray(np.random.RandomState(0).normal(128, 12, [480, 640, 3]).astype(np.uint8))

    first, second = (pictures.as_jpeg(pictures.draw(noise, _scene(), _APS)) for _ in range(2))

    assert first == second
    assert len(first) < 90_000
    assert Image.open(io.BytesIO(first)).format == "JPEG"


@pytest.mark.parametrize("name", [
    "", " ", "two\nlines\r\t", "\x00\x1b[31m", "汽车", "\U0001f697 emoji", "שלום", "e\u0301\u202eevil", "x" * 500,
    "\ud800", "<b>&amp;</b>", "W" * 80 + "\n" * 9,
], ids=["empty", "blank", "lines", "control", "no glyph", "emoji", "right to left", "marks", "long", "surrogate",
        "markup", "wide"])
def test_any_name_can_be_drawn_and_stays_in_its_panel(name: str) -> None:
    quiet = Scene(12, [], {"float": Side([], []), "quantized": Side([], [])}, 0.3, 0.3)
    named = np.asarray(pictures.draw(_gray(), _scene(name), _APS)).astype(int)
    empty = np.asarray(pictures.draw(_gray(), quiet, _APS)).astype(int)

    # Between the panels, and in the captions but for their counts, nothing has changed.
    width = (named.shape[1] + pictures._GAP) // 3
    for gap in (width - pictures._GAP, 2 * width - pictures._GAP):
        assert (named[pictures._CAPTION:-pictures._FOOT, gap:gap + pictures._GAP] == 255).all()
    assert (named[-pictures._FOOT:] == empty[-pictures._FOOT:]).all()


def _placed(boxes: List[Tuple[int, int, int, int]], names: List[str], size: Tuple[int, int] = (320, 240)) \
        -> List[Tuple[float, float, float, float]]:
    labels = pictures._Labels(_gray(*size))
    for box, name in zip(boxes, names):
        labels.add(box, name, pictures._GREEN)
    return [ends for ends, _, _ in labels._placed]


def test_a_long_name_is_cut_and_its_score_stays() -> None:
    label = pictures._fitting("a very long name that never ends " * 9, " 0.87")

    assert label.startswith("a very long")
    assert label.endswith("… 0.87")
    assert pictures._font(11).getlength(label) <= pictures._LABEL
    assert pictures._fitting("star", " 0.87") == "star 0.87"


def test_labels_lie_inside_the_panel_wherever_the_box_is() -> None:
    corners = [(0, 0, 9, 9), (310, 0, 319, 9), (0, 230, 9, 239), (310, 230, 319, 239), (0, 0, 319, 239)]

    for left, top, right, bottom in _placed(corners, ["some name 0.87"] * 5):
        assert left >= 0
        assert top >= 0
        assert right <= 320
        assert bottom <= 240


def test_labels_of_boxes_in_the_same_place_do_not_cover_each_other() -> None:
    placed = _placed([(100, 100, 180, 180)] * 6, [f"name {number} 0.5" for number in range(6)])

    assert sum(pictures._common(one, other) for one, other in itertools.combinations(placed, 2)) == 0


def test_a_panel_that_is_full_of_labels_still_shows_them_all() -> None:
    placed = _placed([(5, 5, 20, 20)] * 40, ["crowded place 0.50"] * 40, (120, 60))

    assert len(placed) == 40
    assert all(right <= 120 and bottom <= 60 for _, _, right, bottom in placed)


def test_the_foot_says_what_is_not_drawn_and_fits() -> None:
    usual, low = (pictures._foot(_scene()._replace(least=least)) for least in (0.3, 0.07))

    assert "scores below 0.30 are not drawn" in usual
    assert "from 0.07 on" not in usual
    assert "from 0.07 on" in low
    narrowest = 3 * pictures._LEAST_WIDTH + 2 * pictures._GAP
    assert pictures._font(11).getlength(low) <= narrowest


def test_captions_fit_above_the_narrowest_panel() -> None:
    found = [Detection((0.0, 0.0, 1.0, 1.0), "car", 0.5, outcome, 1.0) for outcome in (RIGHT, WRONG) for _ in range(50)]
    caption = pictures._caption("quantized", 0.8888, Side(found, [Object((0.0, 0.0, 1.0, 1.0), "car", False)] * 50))

    first = pictures._font(13, bold=True).getlength(caption.title) + 8 + pictures._font(12).getlength(caption.text)
    second = sum(25 + pictures._font(12).getlength(word) for word, _ in caption.words)
    assert caption.text == "AP 0.889, mean IoU 1.00"
    assert [word for word, _ in caption.words] == ["50 right", "50 wrong", "50 missed"]
    assert max(first, second - 12) <= pictures._LEAST_WIDTH


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


def test_outcomes_have_colours() -> None:
    assert set(pictures._COLOURS) == {RIGHT, WRONG, UNCOUNTED}


@pytest.mark.parametrize("size", [(320, 240), (20, 900)])
def test_four_panels_stand_in_two_rows_and_the_foot_fits_below(size: Tuple[int, int]) -> None:
    scene = _scene()._replace(least=0.03)
    fourth = scene._replace(sides={**scene.sides, "device": Side([], list(scene.objects))})
    three = pictures.draw(_gray(*size), scene, _APS)
    four = pictures.draw(_gray(*size), fourth, {**_APS, "device": 0.0})
    panel = (three.width - 2 * pictures._GAP) // 3
    foot = pictures._in_lines(pictures._foot(fourth), four.width)

    assert four.width == 2 * panel + pictures._GAP
    assert four.height == 2 * (three.height - pictures._FOOT) + pictures._GAP + pictures._FOOT \
        + pictures._FOOT_LINE * (len(foot) - 1)
    assert len(foot) == 2
    assert all(pictures._font(11).getlength(line) <= four.width for line in foot)
    # The device missed the object, which its panel alone says below the two upper ones.
    lower = np.asarray(four)[three.height - pictures._FOOT + pictures._GAP + pictures._CAPTION:, panel + pictures._GAP:]
    assert _has(lower, "orange")
    assert not _has(lower, "green")
