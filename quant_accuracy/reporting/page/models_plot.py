"""The histories of several models in one plot: the quantized mAP and its drop over time; imports matplotlib."""

from typing import List, Mapping, NamedTuple, Optional, Sequence

from matplotlib.ticker import MaxNLocator

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.reporting.document.read_shown import PastRun
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import drawing
from quant_accuracy.reporting.page.drawing import Plot, Sheet

# Colour and style of each model's line, in turn.
STYLES = ((QUANTIZED, "-"), (FLOAT, "-"), (DEVICE, "-"), (drawing.MARK, "-"), (QUANTIZED, "--"), (FLOAT, "--"),
          (DEVICE, "--"), (drawing.MARK, "--"))
_WIDTH, _HEIGHT = 820, 320
_NAN = float("nan")
_DAY = 86400.0


class Line(NamedTuple):
    """What the page's key says of a model: its name, and the colour and style of its line."""

    name: str
    colour: str
    dashed: bool


def lines(histories: Mapping[str, Sequence[PastRun]]) -> List[Line]:
    """The key of the plot; of more models than there are styles, the first ones."""
    return [Line(name, colour, style == "--") for name, (colour, style) in zip(_known(histories), STYLES)]


def draw(histories: Mapping[str, Sequence[PastRun]]) -> Optional[Plot]:
    """The drop of each model over time; None where no model has two runs.

    Args:
        histories: The runs of each model by its name, oldest first.
    """
    known = dict(list(_known(histories).items())[:len(STYLES)])
    if not known:
        return None
    moments = [_days(run) for runs in known.values() for run in runs]
    drops = [run.drop for runs in known.values() for run in runs if run.drop is not None]
    low, high = min(moments), max(moments)
    pad = (high - low) * 0.02 or 0.5
    ticks = _ticks(drops)
    sheet = Sheet(_WIDTH, _HEIGHT)
    axes = sheet.axes(60, 24, _WIDTH - 14, _HEIGHT - 34, (low - pad, high + pad), (ticks[0], ticks[-1]))
    sheet.levels(axes, {value: f"{value:.4g}" for value in ticks})
    sheet.write(0, 6, "mAP drop")
    for (name, runs), (colour, style) in zip(known.items(), STYLES):
        x, y = [_days(run) for run in runs], [_NAN if run.drop is None else run.drop for run in runs]
        sheet.line(axes, x, y, colour, style=style)
        for across, up, run in zip(x, y, runs):
            if up == up:
                sheet.dot(axes, across, up, colour, 5.0, f"{name}, {run.ended:%Y-%m-%d %H:%M}: drop "
                          f"{number(run.drop)}, quantized mAP {number(run.quantized_map)}")
    ended = sorted(run.ended for runs in known.values() for run in runs)
    sheet.write(60, _HEIGHT - 14, f"{ended[0]:%Y-%m-%d}")
    sheet.write(_WIDTH - 14, _HEIGHT - 14, f"{ended[-1]:%Y-%m-%d}", "end")
    title = "mAP drop of each model over time"
    told = "; ".join(f"{name}: {len(runs)} runs, last {number(runs[-1].drop)}" for name, runs in known.items())
    return Plot(title, f"{told}.", sheet.svg(f"{title}. {told}."))


def _known(histories: Mapping[str, Sequence[PastRun]]) -> Mapping[str, Sequence[PastRun]]:
    """The models that have two runs with a drop."""
    return {name: runs for name, runs in histories.items() if sum(run.drop is not None for run in runs) > 1}


def _days(run: PastRun) -> float:
    """When a run ended, in days."""
    return run.ended.timestamp() / _DAY


def _ticks(values: Sequence[float]) -> List[float]:
    """A few round values that enclose these, and zero."""
    low, high = min(0.0, *values), max(0.0, *values)
    return [round(float(value), 9) + 0.0 for value in MaxNLocator(5).tick_values(low, max(high, low + 1e-4))]
