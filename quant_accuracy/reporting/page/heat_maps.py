"""The confusion of classes as pictures: a square for each pair of classes, of both variants and of their difference."""

import html
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from quant_accuracy.base.words import FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Table
from quant_accuracy.scoring.error_kinds import KINDS

# Of more classes those that changed most are drawn, and more pairs are in the JSON.
CLASSES, PAIRS = 20, 12
NONE_FOUND, NO_OBJECT = "not found", "no object"
_SQUARE, _LEFT, _TOP = 16, 118, 96
Counts = Mapping[Tuple[int, int], int]


class HeatMap(NamedTuple):
    """A picture: what it shows, and an `svg` element in which everything from data is escaped."""

    title: str
    svg: str


def view(confusion: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show of a report's `confusion`."""
    counts = {side: {(row, column): count for row, column, count in confusion["counts"][side]} for side in VARIANTS}
    difference = {pair: counts[QUANTIZED].get(pair, 0) - counts[FLOAT].get(pair, 0)
                  for pair in {*counts[FLOAT], *counts[QUANTIZED]}}
    chosen = _chosen(len(confusion["classes"]), counts, difference)
    names = [*confusion["classes"], ""]
    maps = [_draw(side, chosen, names, counts[side], side) for side in VARIANTS]
    return {"score": f"{confusion['score']:.2f}", "pairs": _pairs(names, counts, difference),
            "errors": _errors(confusion["errors"]), "left_out": len(confusion["classes"]) - len(chosen),
            "maps": [*maps, _draw("quantized - float", chosen, names, difference, "")]}


def _chosen(classes: int, counts: Mapping[str, Counts], difference: Counts) -> List[int]:
    """The classes that are drawn, in the order of their ids; those without objects and detections are not."""
    weight = [0.0] * (classes + 1)
    for pair, change in difference.items():
        here = sum(side.get(pair, 0) for side in counts.values())
        for place in pair:
            weight[place] += abs(change) + 1e-9 * here
    known = sorted((place for place in range(classes) if weight[place]), key=lambda place: -weight[place])
    return sorted(known[:CLASSES])


def _pairs(names: Sequence[str], counts: Mapping[str, Counts], difference: Counts) -> Table:
    """The confusions that changed most; what is right is none."""
    none = len(names) - 1
    changed = sorted((pair for pair, change in difference.items() if change and pair[0] != pair[1]),
                     key=lambda pair: (-abs(difference[pair]), pair))[:PAIRS]
    rows = [[Cell(NO_OBJECT if pair[0] == none else names[pair[0]]),
             Cell(NONE_FOUND if pair[1] == none else names[pair[1]]),
             *(Cell(str(counts[side].get(pair, 0))) for side in VARIANTS), Cell(f"{difference[pair]:+d}")]
            for pair in changed]
    return Table("Confusions that changed most", [Column("object", NAME), Column("detected as", TEXT), Column(FLOAT),
                                                  Column(QUANTIZED), Column("difference")], rows)


def _errors(errors: Mapping[str, Any]) -> Table:
    """False positives and false negatives of each class by kind, `float → quantized`; most added first."""
    def added(name: str) -> int:
        return sum(abs(errors[QUANTIZED].get(name, {}).get(kind, 0) - errors[FLOAT].get(name, {}).get(kind, 0))
                   for kind in KINDS)

    names = sorted({*errors[FLOAT], *errors[QUANTIZED]}, key=lambda name: (-added(name), name))
    rows = []
    for name in names:
        both = [[errors[side].get(name, {}).get(kind, 0) for side in VARIANTS] for kind in KINDS]
        cells = [Cell(f"{was} → {now}" if was != now else str(was), key=str(now - was)) for was, now in both]
        rows.append([Cell(name), *cells, Cell(f"{sum(now - was for was, now in both):+d}")])
    return Table("Errors by class", [Column("class", NAME), *map(Column, KINDS), Column("difference", order="")], rows,
                 sortable=True)


def _draw(title: str, chosen: Sequence[int], names: Sequence[str], counts: Counts, side: str) -> HeatMap:
    """Objects from top to bottom, detections from left to right, what is none last."""
    none = len(names) - 1
    places = [*chosen, none]
    # What is right has a scale of its own: errors would be invisible beside it.
    right = max((abs(counts.get((place, place), 0)) for place in chosen), default=0) or 1
    wrong = max((abs(count) for pair, count in counts.items() if pair[0] != pair[1]), default=0) or 1
    squares = []
    for y, row in enumerate(places):
        for x, column in enumerate(places):
            count = counts.get((row, column), 0)
            if count:
                squares.append(_square(x, y, count, count / (right if row == column else wrong), row == column, side,
                                       f"{names[row] or NO_OBJECT} detected as {names[column] or NONE_FOUND}: "
                                       f"{count:+d}" if not side else f"{names[row] or NO_OBJECT} detected as "
                                                                      f"{names[column] or NONE_FOUND}: {count}"))
    size = _SQUARE * len(places)
    labels = [_label(_LEFT - 5, _TOP + _SQUARE * (y + 0.7), names[row] or NO_OBJECT) for y, row in enumerate(places)]
    labels += [_label(_LEFT + _SQUARE * (x + 0.7), _TOP - 5, names[column] or NONE_FOUND, True)
               for x, column in enumerate(places)]
    frame = f'<rect x="{_LEFT}" y="{_TOP}" width="{size}" height="{size}" style="fill: none; stroke: var(--line)"/>'
    width, height = _LEFT + size + 4, _TOP + size + 4
    return HeatMap(title, f'<svg class="heat" role="img" aria-label="Confusion of classes, {html.escape(title)}" '
                          f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-size="11">'
                          f'{"".join(labels)}{frame}{"".join(squares)}</svg>')


def _square(x: int, y: int, count: int, strength: float, right: bool, side: str, note: str) -> str:
    # Of the difference more of what is right is good, and less of what is wrong.
    good = right == (count > 0)
    colour = side or (FLOAT if good else QUANTIZED)
    return (f'<rect x="{_LEFT + _SQUARE * x + 0.5}" y="{_TOP + _SQUARE * y + 0.5}" width="{_SQUARE - 1}" '
            f'height="{_SQUARE - 1}" style="fill: var(--{colour}); fill-opacity: {0.12 + 0.88 * abs(strength):.2f}">'
            f'<title>{html.escape(note)}</title></rect>')


def _label(x: float, y: float, text: str, upright: bool = False) -> str:
    shown = text if len(text) <= 16 else f"{text[:15]}…"
    turn = f'transform="rotate(-90 {x:.1f} {y:.1f})"' if upright else 'text-anchor="end"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {turn} style="fill: var(--soft)">{html.escape(shown)}</text>'
