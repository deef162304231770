"""Differences of simulation and integer model over the depth of the network, as a plot; imports matplotlib."""

from typing import Any, List, Mapping, Optional, Sequence

from quant_accuracy.base.words import DEVICE
from quant_accuracy.reporting.page import depth as sections
from quant_accuracy.reporting.page import drawing
from quant_accuracy.reporting.page.drawing import Plot, Sheet

_WIDTH, _HEIGHT = 820, 300
# How the page's key shows both lines, in the colours of the page.
LOCAL, ACCUMULATED = drawing.SOFT, DEVICE
# So many of the worst ops are told by their number.
_NUMBERED = 8
_TICKS = 10
_APART = 34


def draw(depth: Mapping[str, Any]) -> Optional[Plot]:
    """Both differences of every op, RMS in steps on a logarithmic scale; None where nothing differs."""
    ops: Sequence[Mapping[str, Any]] = depth["ops"]
    local, accumulated = ([op[side]["rms"] for op in ops] for side in ("local", "accumulated"))
    ends = sections.decades([*local, *accumulated])
    if ends is None:
        return None
    low, high = 10.0 ** ends[0], 10.0 ** ends[1]
    places = list(range(len(ops)))
    sheet = Sheet(_WIDTH, _HEIGHT)
    axes = sheet.axes(44, 24, _WIDTH - 14, _HEIGHT - 40, (-0.5, max(1, len(ops)) - 0.5), (low, high))
    axes.set_yscale("log")
    sheet.levels(axes, {10.0 ** power: f"{10.0 ** power:g}" for power in range(ends[0], ends[1] + 1)})
    every = max(1, -(-len(ops) // _TICKS))
    sheet.columns(axes, {float(place): str(ops[place]["place"]) for place in places[::every]})
    sheet.write(0, 6, "steps of the encoding, RMS")
    sheet.write(_WIDTH / 2 + 15, _HEIGHT - 8, "op of the integer model, in the order in which it runs", "middle")
    # A difference of nothing has no logarithm: it lies on the floor.
    sheet.line(axes, (-0.5, len(ops) - 0.5), (1.0, 1.0), drawing.INK, 1.0, "--")
    sheet.line(axes, places, [max(low, value) for value in accumulated], ACCUMULATED)
    sheet.line(axes, places, [max(low, value) for value in local], LOCAL, 1.25)
    worst = depth["unhealthy"]
    sheet.dots(axes, worst, [max(low, local[place]) for place in worst], drawing.MARK, 7.0)
    told: List[float] = []
    for place in worst[:_NUMBERED]:
        x, y = sheet.place(axes, place, max(low, local[place]))
        # Numbers of neighbours would run into each other: the worse one has its own.
        if any(abs(x - other) < _APART for other in told):
            continue
        told.append(x)
        # The first op lies on the axis, whose names end there.
        align = "start" if place == 0 else "middle"
        sheet.write(x, y - 12, f"#{ops[place]['place']}", align, drawing.MARK)
    title = "Difference of integer model and simulation over the depth of the network"
    return Plot(title, _summary(depth, ops, accumulated), sheet.svg(title))


def _summary(depth: Mapping[str, Any], ops: Sequence[Mapping[str, Any]], accumulated: Sequence[float]) -> str:
    worst: List[int] = depth["unhealthy"]
    alone = "No op is unhealthy" if not worst else f"Worst local difference: #{ops[worst[0]]['place']} " \
        f"{ops[worst[0]]['label']}, {sections.steps(ops[worst[0]]['local']['rms'])} steps"
    last = max(range(len(ops)), key=lambda place: accumulated[place])
    return (f"{alone}; accumulated: at most {sections.steps(accumulated[last])} steps, at #{ops[last]['place']} "
            f"{ops[last]['label']}.")
