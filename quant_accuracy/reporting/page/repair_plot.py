"""What attempts at a repair cost and gain: mAP drop against bit operations, as a plot; imports matplotlib."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import drawing, of_repair
from quant_accuracy.reporting.page.drawing import Plot, Sheet
from quant_accuracy.reporting.page.of_repair import Row

_WIDTH, _HEIGHT = 440, 360
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 24, _WIDTH - 12, _HEIGHT - 46
# From this ratio of the dearest to the cheapest on, costs double from tick to tick.
_WIDE = 3.0
# How near two labels may come.
_ACROSS, _DOWN = 62, 15


def draw(repair: Mapping[str, Any]) -> Optional[Plot]:
    """Attempts by cost and mAP drop, the front as a line; None where none was measured.

    Args:
        repair: What a report says of a repair.
    """
    found = [row for row in of_repair.rows(repair) if row.place >= 0
             and None not in (row.attempt["drop"], row.attempt["bit_operations"])]
    if all(row.place == 0 for row in found):
        return None
    sheet, limit = Sheet(_WIDTH, _HEIGHT), repair["allowed_drop"]
    axes, floor = _axes(sheet, found, limit)
    if limit is not None:
        ends = axes.get_xlim()
        sheet.line(axes, ends, (limit, limit), drawing.MARK, 1.5, "--")
        sheet.write(_RIGHT, sheet.place(axes, ends[1], limit)[1] + 10, f"limit {limit:.4g}", "end", drawing.MARK)
    edge = [(attempt["bit_operations"], min(floor, attempt["drop"])) for _, attempt in of_repair.front(repair)]
    corners = [(x, y) for (x, _), (_, y) in zip(edge[1:], edge)]
    steps = [place for pair in zip(edge, [*corners, edge[-1]]) for place in pair] if edge else []
    sheet.line(axes, [x for x, _ in steps], [y for _, y in steps], QUANTIZED, 1.25)
    for row in sorted(found, key=lambda row: row.few):
        _point(sheet, axes, row, floor)
    _label(sheet, axes, found, floor)
    title = "mAP drop against bit operations"
    summary = _summary(repair, found, limit, floor)
    return Plot(title, summary, sheet.svg(f"{title}. {summary}"))


def _axes(sheet: Sheet, found: Sequence[Row], limit: Optional[float]) -> Tuple[Axes, float]:
    """Bare axes with ticks, small drops on top, and the drop of the floor, on which all lie that lose more."""
    drops = [row.attempt["drop"] for row in found]
    # What loses more than there was lost before is nobody's choice: it would press all else together.
    few = [row.attempt for row in found if row.few]
    wanted = [0.0, *(() if limit is None else (limit,)), *(attempt["drop"] for attempt in few)]
    ends = [end for attempt in few for end in attempt["drop_interval"] or ()]
    # Intervals of some attempts only are wider than what is to be seen.
    ticks = _ticks(min([*wanted, *drops, *ends]), min(max([*wanted, *ends]), 1.5 * max(wanted)))
    costs = _costs([row.attempt["bit_operations"] for row in found])
    axes = sheet.axes(_LEFT, _TOP, _RIGHT, _BOTTOM, _ends(costs), (ticks[-1], ticks[0]))
    if _doubling(costs):
        axes.set_xscale("log")
    sheet.levels(axes, {value: f"{value:.4g}" for value in ticks})
    sheet.columns(axes, {value: f"{value:.4g}" for value in costs})
    sheet.write(0, 6, "mAP drop")
    sheet.write((_LEFT + _RIGHT) / 2, _HEIGHT - 8, "bit operations, relative to 8 bits for all", "middle")
    return axes, ticks[-1]


def _ticks(low: float, high: float) -> List[float]:
    """A few round values that enclose these."""
    if high - low < 1e-4:
        high = low + 1e-4
    return [round(float(value), 9) + 0.0 for value in MaxNLocator(5).tick_values(low, high)]


def _costs(values: Sequence[float]) -> List[float]:
    """A few values that enclose these, each twice the one before where they are far apart."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= _WIDE:
        powers = range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)
        return [2.0 ** power for power in powers]
    if high - low < 0.02:
        low, high = max(0.0, low - 0.05), high + 0.05
    return _ticks(low, high)


def _doubling(costs: Sequence[float]) -> bool:
    return len(costs) > 2 and costs[0] > 0 and costs[1] / costs[0] == costs[2] / costs[1] == 2


def _ends(costs: Sequence[float]) -> Tuple[float, float]:
    """The ends of the scale: a dot on the first tick does not lie on the names of the levels."""
    if _doubling(costs):
        return costs[0] / 1.1, costs[-1] * 1.1
    around = (costs[-1] - costs[0]) * 0.04
    return costs[0] - around, costs[-1] + around


def _point(sheet: Sheet, axes: Axes, row: Row, floor: float) -> None:
    """An attempt; of what is told by name, with its interval."""
    attempt = row.attempt
    x, y = attempt["bit_operations"], min(floor, attempt["drop"])
    note = (f"{_name(row)} {attempt['name']}: {of_repair.outcome(attempt)}; "
            f"bit operations {of_repair.short(x)}")
    colour = drawing.INK if row.place == 0 else QUANTIZED if row.few else drawing.SOFT
    if row.few and attempt["drop_interval"] is not None:
        low, high = attempt["drop_interval"]
        sheet.line(axes, (x, x), (max(axes.get_ylim()[1], low), min(floor, high)), colour, 1.0)
    sheet.dot(axes, x, y, colour, 11.0 if row.marked else 7.0 if row.few else 5.0, note)


def _name(row: Row) -> str:
    return row.remark if row.place == 0 else f"#{row.place}"


def _label(sheet: Sheet, axes: Axes, found: Sequence[Row], floor: float) -> None:
    """Names beside dots, those that stand out first, as many as have room."""
    taken: Dict[int, Tuple[float, float]] = {}
    for row in sorted((row for row in found if row.few), key=lambda row: not row.marked):
        x, y = sheet.place(axes, row.attempt["bit_operations"], min(floor, row.attempt["drop"]))
        if any(abs(x - left) < _ACROSS and abs(y - top) < _DOWN for left, top in taken.values()):
            continue
        taken[row.place] = (x, y)
        name = f"{_name(row)} {row.remark.split(',')[0]}" if row.marked and row.place else _name(row)
        # Above the dot, beside its interval, and away from the line of the front, which comes from the right.
        inside = x < _WIDTH - 110
        sheet.write(x + 6 if inside else x - 6, y - 12, name, "start" if inside else "end", drawing.INK)


def _summary(repair: Mapping[str, Any], found: Sequence[Row], limit: Optional[float], floor: float) -> str:
    few = {row.place for row in found if row.few}
    front = [f"{'before' if place == 0 else f'#{place}'} {number(item['drop'])} at "
             f"{of_repair.short(item['bit_operations'])}" for place, item in of_repair.front(repair) if place in few]
    deep = sum(row.attempt["drop"] > floor for row in found)
    return " ".join([*([f"On the front: {', '.join(front)}."] if front else []),
                     *([] if limit is None else [f"A drop of at most {limit:.4g} is allowed."]),
                     *([f"{'1 attempt loses' if deep == 1 else f'{deep} attempts lose'} more than the plot shows."]
                       if deep else [])])
