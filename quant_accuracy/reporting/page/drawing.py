"""A drawing by matplotlib as SVG that lies in a page and takes the page's colours and font.

Matplotlib draws the shapes: a library that draws in the browser would bring more bytes into every page than all of its
plots have, and lose what is seen without scripts and on paper. Words are set beside it: it reads `$` as mathematics,
warns of characters that its font lacks, and would measure text with the fonts of this machine. It is slow to import, so
import this module late.
"""

import contextlib
import html
import io
import re
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED

# With the variants, the page's CSS variables, each with a colour that stands for it while matplotlib draws.
INK, SOFT, LINE, MARK = "ink", "soft", "line", "mark"
_STAND_INS = {name: f"#00000{digit}" for digit, name in enumerate(
    (INK, SOFT, LINE, FLOAT, QUANTIZED, MARK, DEVICE), start=1)}
_FONT_SIZE = 12
# From the middle of a line of digits to its baseline, in sizes of the font.
_BASELINE = 0.35
_DECIMALS = re.compile(r"-?\d+\.\d+")
_QUARTERS = {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"}
# Inch, the unit of matplotlib: a point is a pixel of the drawing then.
_INCH = 72


class Plot(NamedTuple):
    """A plot on the page.

    Attributes:
        title: What it shows.
        summary: What is to be seen, in a sentence, for those who do not see it.
        svg: An `svg` element; everything from data in it is escaped.
    """

    title: str
    summary: str
    svg: str


class Sheet:
    """An empty drawing, to be filled and taken as SVG once, under `own_settings`.

    All places are pixels from the upper left corner. The page scales it, so a sheet is about as wide as a phone.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=_INCH)
        self._figure.patch.set_visible(False)
        self._words: List[str] = []
        self._notes: Dict[str, str] = {}

    def axes(self, left: float, top: float, right: float, bottom: float, x: Tuple[float, float],
             y: Tuple[float, float]) -> Axes:
        """Bare axes between these edges, for values of `x` from left to right and of `y` from bottom to top."""
        axes = self._figure.add_axes([left / self.width, 1 - bottom / self.height, (right - left) / self.width,
                                      (bottom - top) / self.height])
        axes.set_axis_off()
        axes.set_xlim(*x)
        axes.set_ylim(*y)
        return axes

    def unit_axes(self, x: str, y: str) -> Axes:
        """Axes that fill the sheet, both for values of 0 to 1, with their names below and above."""
        axes = self.axes(44, 24, self.width - 14, self.height - 40, (0, 1), (0, 1))
        self.levels(axes, _QUARTERS)
        self.columns(axes, _QUARTERS)
        self.write(self.width / 2 + 15, self.height - 8, x, "middle")
        self.write(0, 6, y)
        return axes

    def place(self, axes: Axes, x: float, y: float) -> Tuple[float, float]:
        """Where values lie on the sheet."""
        across, up = axes.transData.transform((x, y))
        return float(across), self.height - float(up)

    def line(self, axes: Axes, x: Sequence[float], y: Sequence[float], colour: str, width: float = 1.75,
             style: str = "-") -> None:
        """A line through values, with gaps where they are NaN; what is `LINE` lies below all else."""
        axes.add_line(Line2D(x, y, color=_STAND_INS[colour], linewidth=width, linestyle=style, clip_on=False,
                             solid_capstyle="round", zorder=0 if colour == LINE else 2))

    def dots(self, axes: Axes, x: Sequence[float], y: Sequence[float], colour: str, width: float = 5.0) -> None:
        """A dot at each pair of values that are known."""
        # Lines of no length with round ends: markers would be shared definitions, whose ids are those of the page.
        found = [place for place in zip(x, y) if place[1] == place[1]]
        if found:
            path = Path([place for place in found for _ in range(2)], [Path.MOVETO, Path.LINETO] * len(found))
            path.should_simplify = False
            axes.add_patch(PathPatch(path, fill=False, edgecolor=_STAND_INS[colour], linewidth=width,
                                     capstyle="round", clip_on=False))

    def dot(self, axes: Axes, x: float, y: float, colour: str, width: float, note: str) -> None:
        """A dot; a pointer that rests on it is told the note."""
        path = Path([(x, y)] * 2, [Path.MOVETO, Path.LINETO])
        path.should_simplify = False
        patch = PathPatch(path, fill=False, edgecolor=_STAND_INS[colour], linewidth=width, capstyle="round",
                          clip_on=False)
        self._tell(patch, note)
        axes.add_patch(patch)

    def box(self, axes: Axes, x: Tuple[float, float], y: Tuple[float, float], colour: str, note: str = "") -> None:
        """A filled box; a pointer that rests on it is told the note."""
        patch = Rectangle((x[0], y[0]), x[1] - x[0], y[1] - y[0], facecolor=_STAND_INS[colour], linewidth=0,
                          clip_on=False)
        if note:
            self._tell(patch, note)
        axes.add_patch(patch)

    def _tell(self, patch: Patch, note: str) -> None:
        patch.set_gid(f"note{len(self._notes)}")
        self._notes[patch.get_gid()] = note

    def write(self, x: float, y: float, text: str, align: str = "start", colour: str = SOFT) -> None:
        """Text whose middle is at this height; `align` is its `start`, `middle` or `end`."""
        anchor = "" if align == "start" else f' text-anchor="{align}"'
        self._words.append(f'<text x="{_short(x)}" y="{_short(y + _BASELINE * _FONT_SIZE)}"{anchor} '
                           f'style="fill: var(--{colour})">{html.escape(text)}</text>\n')

    def levels(self, axes: Axes, values: Mapping[float, str]) -> None:
        """Horizontal lines at values of y, named on the left."""
        left, right = axes.get_xlim()
        for value, name in values.items():
            self.line(axes, (left, right), (value, value), LINE, 1.0)
            x, y = self.place(axes, left, value)
            self.write(x - 6, y, name, "end")

    def columns(self, axes: Axes, values: Mapping[float, str]) -> None:
        """Vertical lines at values of x, named below."""
        bottom, top = axes.get_ylim()
        for value, name in values.items():
            self.line(axes, (value, value), (bottom, top), LINE, 1.0)
            x, y = self.place(axes, value, bottom)
            self.write(x, y + 13, name, "middle")

    def svg(self, label: str) -> str:
        """The drawing as an `svg` element that is called `label`."""
        file = io.StringIO()
        FigureCanvasSVG(self._figure).print_svg(file)
        shapes = self._shapes(ElementTree.fromstring(file.getvalue()))
        return (f'<svg class="plot" role="img" aria-label="{html.escape(label)}" width="{self.width}" '
                f'height="{self.height}" viewBox="0 0 {self.width} {self.height}" font-size="{_FONT_SIZE}">\n'
                f'{shapes}{"".join(self._words)}</svg>')

    def _shapes(self, element: ElementTree.Element) -> str:
        """The paths of an element, without ids and definitions, which would be those of the whole page."""
        tag = element.tag.rsplit("}", 1)[-1]
        if tag == "path":
            return f'<path d="{_outline(element.attrib["d"])}" style="{_style(element.attrib["style"])}"/>\n'
        if tag not in ("svg", "g"):
            return ""
        inner = "".join(map(self._shapes, element))
        note: Optional[str] = self._notes.get(element.attrib.get("id", ""))
        return inner if note is None else f"<g><title>{html.escape(note)}</title>{inner.rstrip()}</g>\n"


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Matplotlib's own settings, whatever this machine prefers, and afterwards those from before."""
    # Naming a backend would load it.
    own = {name: value for name, value in matplotlib.rcParamsDefault.items() if "backend" not in name}
    with matplotlib.rc_context({**own, "svg.hashsalt": "quant_accuracy"}):
        yield


def _short(number: float) -> str:
    """A tenth of a pixel is as fine as the eye can see."""
    return f"{round(number, 1) + 0.0:.1f}".rstrip("0").rstrip(".")


def _outline(path: str) -> str:
    """A path, with short numbers; what follows a start or a corner without a letter is a corner."""
    rounded = _DECIMALS.sub(lambda found: _short(float(found.group())), path)
    return " ".join(rounded.replace("L", " ").split()).replace("M ", "M").replace(" M", "M").replace(" z", "z")


def _style(style: str) -> str:
    """A style in the page's colours."""
    for name, colour in _STAND_INS.items():
        style = style.replace(colour, f"var(--{name})")
    return _DECIMALS.sub(lambda found: _short(float(found.group())), style)
