"""A confusion of classes as a picture: a square with its count for each pair of classes."""

import html
from typing import Mapping, NamedTuple, Sequence, Tuple

from rich.cells import cell_len, set_cell_size

# What is no class: a detection on no object, and an object that nothing was detected on.
NO_OBJECT, NOT_FOUND = "no object", "not found"
# Of a difference, in the page's colours of verdicts.
BETTER, WORSE = "pass-ink", "fail-ink"
_SQUARE, _LABEL, _LETTER = 20, 17, 7.0
Pair = Tuple[int, int]
Counts = Mapping[Pair, int]


class HeatMap(NamedTuple):
    """A picture: what it shows, and an `svg` element in which everything from data is escaped."""

    title: str
    svg: str


class Shape(NamedTuple):
    """What all maps of a page have in common: the names of all classes, and the places of those that are drawn."""

    names: Sequence[str]
    chosen: Sequence[int]

    @property
    def margin(self) -> float:
        """Room for the longest label."""
        labels = [NO_OBJECT, NOT_FOUND, *(self.names[place] for place in self.chosen)]
        return 8 + _LETTER * max(min(cell_len(label), _LABEL) for label in labels)


def draw(title: str, shape: Shape, counts: Counts, variant: str = "") -> HeatMap:
    """Objects from top to bottom, detections from left to right, what is none of the classes last.

    Args:
        title: What the counts are of.
        shape: Classes and their places.
        counts: How often each class (first) was detected as another or itself (second); the number of classes is none.
        variant: Whose counts they are; empty for a difference, in which more errors are worse, and more of what is
            right is better.
    """
    places = [*shape.chosen, len(shape.names)]
    rows, columns = ([*(shape.names[place] for place in shape.chosen), none] for none in (NO_OBJECT, NOT_FOUND))
    # What is right has a scale of its own: errors would be invisible beside it.
    right = max((abs(counts.get((place, place), 0)) for place in shape.chosen), default=0) or 1
    wrong = max((abs(counts.get((row, column), 0)) for row in places for column in places if row != column),
                default=0) or 1
    left = top = shape.margin
    parts = [_label(left - 5, top + _SQUARE * (place + 0.68), name) for place, name in enumerate(rows)]
    parts += [_label(left + _SQUARE * (place + 0.68), top - 5, name, True) for place, name in enumerate(columns)]
    size = _SQUARE * len(places)
    parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{size}" height="{size}" '
                 'style="fill: none; stroke: var(--line)"/>')
    for y, row in enumerate(places):
        for x, column in enumerate(places):
            count = counts.get((row, column), 0)
            if count:
                note = f"{rows[y]} detected as {columns[x]}: {count if variant else format(count, '+d')}"
                colour = variant or (BETTER if (row == column) == (count > 0) else WORSE)
                strength = abs(count) / (right if row == column else wrong)
                parts.append(_square(left + _SQUARE * x, top + _SQUARE * y, _short(count, not variant), colour,
                                     strength, note))
    whole = f"{left + size + 2:.1f}"
    return HeatMap(title, f'<svg class="heat" role="img" aria-label="Confusion of classes, {html.escape(title)}" '
                          f'viewBox="0 0 {whole} {whole}" width="{whole}" height="{whole}" font-size="11">'
                          f'{"".join(parts)}</svg>')


def _square(left: float, top: float, text: str, colour: str, strength: float, note: str) -> str:
    # Half of the colour at most, on which the text can still be read.
    frame = f"; stroke: var(--{colour})" if colour == WORSE else ""
    return (f'<g><title>{html.escape(note)}</title><rect x="{left + 0.5:.1f}" y="{top + 0.5:.1f}" '
            f'width="{_SQUARE - 1}" height="{_SQUARE - 1}" '
            f'style="fill: var(--{colour}); fill-opacity: {0.08 + 0.42 * strength:.2f}{frame}"/>'
            f'<text x="{left + _SQUARE / 2:.1f}" y="{top + _SQUARE * 0.66:.1f}" text-anchor="middle" '
            f'font-size="{9 if len(text) < 4 else 7.5:g}" '
            f'style="fill: var(--ink)">{text}</text></g>')


def _short(count: int, signed: bool) -> str:
    """A count in four characters or so: `17`, `+5`, `12k`."""
    sign = "+" if signed and count > 0 else ""
    return f"{sign}{count}" if abs(count) < 1000 else f"{sign}{count / 1000:.0f}k"


def _label(x: float, y: float, name: str, upright: bool = False) -> str:
    turn = f'transform="rotate(-90 {x:.1f} {y:.1f})"' if upright else 'text-anchor="end"'
    shown = _cut(name)
    whole = f"<title>{html.escape(name)}</title>" if shown != name else ""
    # A name from right to left would turn start and end of the text.
    return (f'<text x="{x:.1f}" y="{y:.1f}" {turn} style="fill: var(--soft); direction: ltr; unicode-bidi: isolate">'
            f'{whole}{html.escape(shown)}</text>')


def _cut(name: str) -> str:
    """The beginning of a name, as far as there is room."""
    return name if cell_len(name) <= _LABEL else set_cell_size(name, _LABEL - 1).rstrip() + "…"
