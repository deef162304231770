"""Pictures of single images: ground truth and the variants side by side, boxes coloured by what became of them."""

import io
from functools import lru_cache
from pathlib import Path
from typing import Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from quant_accuracy.base.errors import first_line
from quant_accuracy.reporting.pictures.scenes import Box, Scene, Side
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG

# Pixels.
_PANEL = 320
_LEAST_WIDTH = 240
# More panels would not fit on a page.
_ACROSS = 3
_GAP = 8
_CAPTION = 38
_FOOT = 20
_FOOT_LINE = 14
_LABEL = 150
_LINE = 2
_DASH = 6
# Small images are enlarged, but not until nothing but pixels is seen.
_ENLARGED = 3.0
# One colour for each outcome, also told apart where colours are not: Okabe and Ito's palette, "Color universal design".
_BLUE, _GREEN, _RED, _ORANGE, _GREY = "#0072b2", "#00795a", "#c8321e", "#e69f00", "#767676"
_INK, _PAPER = "#222222", "#ffffff"
_COLOURS = {RIGHT: _GREEN, WRONG: _RED, UNCOUNTED: _GREY}
_QUALITY = 55
# How much of the image gives way to white: boxes and labels stand out, and noise costs fewer bytes.
_FADED = 0.25

_Ends = Tuple[float, float, float, float]


class Caption(NamedTuple):
    """What stands above a panel: a bold title, what follows it, and coloured words in the line below."""

    title: str
    text: str
    words: Sequence[Tuple[str, str]]


def decode(content: bytes) -> Image.Image:
    """An encoded image as RGB.

    Raises:
        ValueError: It cannot be decoded.
    """
    try:
        picture = Image.open(io.BytesIO(content))
        if picture.mode.startswith("I"):
            # 16 bits a channel: Pillow would clip them to 8, TensorFlow takes the upper ones.
            picture = picture.convert("I").point(lambda value: value / 256).convert("L")
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(first_line(error)) from error


def as_jpeg(picture: Image.Image) -> bytes:
    """A picture as a JPEG whose thin coloured lines stay sharp (no chroma is left out); the same bytes every time."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()


def draw(image: Image.Image, scene: Scene, aps: Mapping[str, float]) -> Image.Image:
    """Ground truth and all variants side by side; four panels in two rows.

    Args:
        image: The image, RGB.
        scene: What is on it.
        aps: The AP of the image alone, by variant.
    """
    scale = min(_PANEL / image.width, _PANEL / image.height, _ENLARGED)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.BICUBIC)
    small = Image.blend(small, Image.new("RGB", small.size, _PAPER), _FADED)
    # Beside a narrow image there is room for captions and labels.
    base = Image.new("RGB", (max(small.width, _LEAST_WIDTH), small.height), _PAPER)
    base.paste(small, (0, 0))
    objects = [thing for thing in scene.objects if not thing.crowd]
    crowds = len(scene.objects) - len(objects)
    words = [(_counted(len(objects), "object"), _BLUE)] + ([(_counted(crowds, "crowd"), _GREY)] if crowds else [])
    panels = [_captioned(_truth_panel(base, scale, scene), Caption("ground truth", f"image {scene.image_id}", words))]
    panels += [_captioned(_side_panel(base, scale, side), _caption(name, aps[name], side))
               for name, side in scene.sides.items()]
    across = _ACROSS if len(panels) <= _ACROSS else (len(panels) + 1) // 2
    down = -(-len(panels) // across)
    width, height = panels[0].width + _GAP, panels[0].height + _GAP
    whole_width = width * min(across, len(panels)) - _GAP
    foot = _in_lines(_foot(scene), whole_width)
    above = height * down - _GAP
    whole = Image.new("RGB", (whole_width, above + _FOOT + _FOOT_LINE * (len(foot) - 1)), _PAPER)
    for place, panel in enumerate(panels):
        whole.paste(panel, (place % across * width, place // across * height))
    pen = ImageDraw.Draw(whole)
    for number, line in enumerate(foot):
        pen.text((0, above + 4 + _FOOT_LINE * number), line, fill=_GREY, font=_font(11))
    return whole


def _in_lines(text: str, width: int) -> List[str]:
    """A text word by word in lines that are no wider than this."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font(11).getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _foot(scene: Scene) -> str:
    if scene.least == scene.score:
        return f"right: IoU 0.50 or more; dashed: missed; scores below {scene.score:.2f} are not drawn"
    return (f"right: IoU 0.50 or more; dashed: missed; scores below {scene.score:.2f} are not drawn, but from "
            f"{scene.least:.2f} on where the AP depends on them")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _caption(name: str, ap: float, side: Side) -> Caption:
    right = [found for found in side.detections if found.outcome == RIGHT]
    wrong = sum(found.outcome == WRONG for found in side.detections)
    overlap = f", mean IoU {sum(found.iou for found in right) / len(right):.2f}" if right else ""
    return Caption(name, f"AP {ap:.3f}{overlap}", [(f"{len(right)} right", _GREEN), (f"{wrong} wrong", _RED),
                                                   (f"{len(side.missed)} missed", _ORANGE)])


def _captioned(panel: Image.Image, caption: Caption) -> Image.Image:
    whole = Image.new("RGB", (panel.width, panel.height + _CAPTION), _PAPER)
    whole.paste(panel, (0, _CAPTION))
    pen = ImageDraw.Draw(whole)
    pen.text((0, 2), caption.title, fill=_INK, font=_font(13, bold=True))
    pen.text((_font(13, bold=True).getlength(caption.title) + 8, 3), caption.text, fill=_INK, font=_font(12))
    left = 0.0
    for text, colour in caption.words:
        pen.rectangle((left, 23, left + 9, 32), fill=colour)
        pen.text((left + 13, 20), text, fill=_INK, font=_font(12))
        left += 13 + _font(12).getlength(text) + 12
    return whole


def _truth_panel(base: Image.Image, scale: float, scene: Scene) -> Image.Image:
    panel = base.copy()
    pen, labels = ImageDraw.Draw(panel), _Labels(panel)
    for thing in sorted(scene.objects, key=lambda thing: -thing.box[2] * thing.box[3]):
        ends = _ends(thing.box, scale, panel)
        if thing.crowd:
            _hatched(panel, ends, _GREY)
        _outlined(pen, ends, _GREY if thing.crowd else _BLUE)
        labels.add(ends, _fitting(thing.name, " (crowd)" if thing.crowd else ""), _GREY if thing.crowd else _BLUE)
    labels.draw()
    return panel


def _side_panel(base: Image.Image, scale: float, side: Side) -> Image.Image:
    panel = base.copy()
    pen, labels = ImageDraw.Draw(panel), _Labels(panel)
    # The best score lies on top, and its label finds the best place.
    for found in reversed(side.detections):
        _outlined(pen, _ends(found.box, scale, panel), _COLOURS[found.outcome])
    for thing in side.missed:
        _dashed(pen, _ends(thing.box, scale, panel), _ORANGE)
        labels.keep_free(_ends(thing.box, scale, panel))
    for found in side.detections:
        labels.add(_ends(found.box, scale, panel), _fitting(found.name, f" {found.score:.2f}"), _COLOURS[found.outcome])
    for thing in side.missed:
        labels.add(_ends(thing.box, scale, panel), _fitting(thing.name), _ORANGE)
    labels.draw()
    return panel


def _ends(box: Box, scale: float, panel: Image.Image) -> _Ends:
    """Left, top, right, bottom in pixels of the panel, inside of it and never without extent."""
    left, top = (min(max(value * scale, 0), most - 3) for value, most in zip(box[:2], panel.size))
    right, bottom = (min(max((start + side) * scale, low + 2), most - 1)
                     for start, side, low, most in zip(box[:2], box[2:], (left, top), panel.size))
    return round(left), round(top), round(right), round(bottom)


def _outlined(pen: ImageDraw.ImageDraw, ends: _Ends, colour: str) -> None:
    # A light rim: coloured lines are lost on an image of their colour.
    pen.rectangle((ends[0] - 1, ends[1] - 1, ends[2] + 1, ends[3] + 1), outline=_PAPER)
    pen.rectangle(ends, outline=colour, width=_LINE)


def _dashed(pen: ImageDraw.ImageDraw, ends: _Ends, colour: str) -> None:
    left, top, right, bottom = ends
    for line in ((left, top, right, top), (left, bottom, right, bottom), (left, top, left, bottom),
                 (right, top, right, bottom)):
        for number, part in enumerate(_parts(line)):
            pen.line(part, fill=_PAPER if number % 2 else colour, width=_LINE)


def _parts(line: _Ends) -> Iterator[_Ends]:
    """A level or an upright line in pieces of the length of a dash."""
    left, top, right, bottom = line
    length = max(right - left, bottom - top, 1)
    for start in range(0, int(length), _DASH):
        end = min(start + _DASH, length)
        yield (left + (right - left) * start / length, top + (bottom - top) * start / length,
               left + (right - left) * end / length, top + (bottom - top) * end / length)


def _hatched(panel: Image.Image, ends: _Ends, colour: str) -> None:
    """Slanted lines over a box."""
    width, height = int(ends[2] - ends[0]) + 1, int(ends[3] - ends[1]) + 1
    mask = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(mask)
    for start in range(-height, width, 9):
        pen.line((start, height, start + height, 0), fill=150)
    panel.paste(colour, (int(ends[0]), int(ends[1])), mask)


class _Labels:
    """Labels of boxes on a panel: inside of it, and beside each other as far as there is room."""

    def __init__(self, panel: Image.Image) -> None:
        self._panel = panel
        self._placed: List[Tuple[_Ends, str, str]] = []
        self._free: List[_Ends] = []

    def keep_free(self, ends: _Ends) -> None:
        """Cover this part of the panel only where there is no other place."""
        self._free.append(ends)

    def add(self, box: _Ends, text: str, colour: str) -> None:
        """Find the best place that is left near a box."""
        width, height = int(_font(11).getlength(text)) + 6, 15
        best: Optional[_Ends] = None
        least = 0.0
        for left, top in self._places(box, width, height):
            ends = (left, top, left + width, top + height)
            covered = sum(_common(ends, other) for other in [*(ends for ends, _, _ in self._placed), *self._free])
            if best is None or covered < least:
                best, least = ends, covered
            if not covered:
                break
        if best is not None:
            self._placed.append((best, text, colour))

    def _places(self, box: _Ends, width: int, height: int) -> Iterator[Tuple[float, float]]:
        """Above the box, below it, inside, beside, then further down; all inside the panel."""
        left, top, right, bottom = box
        near = [(left, top - height), (right - width, top - height), (left, bottom), (right - width, bottom),
                (left, top), (left, bottom - height), (right - width, top), (right, top), (left - width, top)]
        near += [(left, top + step * height) for step in range(1, 1 + int(bottom - top) // height)]
        most = self._panel.width - width, self._panel.height - height
        for place in near:
            yield min(max(place[0], 0), max(most[0], 0)), min(max(place[1], 0), max(most[1], 0))

    def draw(self) -> None:
        """Draw what was added, the first on top."""
        pen = ImageDraw.Draw(self._panel)
        for ends, text, colour in reversed(self._placed):
            pen.rectangle((ends[0], ends[1], ends[2] - 1, ends[3] - 1), fill=colour)
            pen.text((ends[0] + 3, ends[1] + 1), text, fill=_INK if colour == _ORANGE else _PAPER, font=_font(11))


def _common(one: _Ends, other: _Ends) -> float:
    """The area that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _fitting(name: str, ending: str = "") -> str:
    """A name and what follows it on one line; the name is cut where it is long, and what cannot be printed replaced."""
    name = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(name.split()))
    if _font(11).getlength(name + ending) <= _LABEL:
        return name + ending
    while name and _font(11).getlength(f"{name}…{ending}") > _LABEL:
        name = name[:-1]
    return f"{name}…{ending}"


@lru_cache(maxsize=None)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    # The basic engine is there on every machine, and sets the same text in the same way.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


