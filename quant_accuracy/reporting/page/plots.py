"""The plots of the report's page: curves, errors, ranges, sensitivity and history.

A plot that would be empty is None. Drawing imports matplotlib, so import this module late.
"""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from matplotlib.ticker import MaxNLocator

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.quantization.records import ACTIVATION, PARAM, with_layer
from quant_accuracy.reporting.document.read_report import DEPTH_KEY, REPAIR_KEY
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import calibration_plot, depth_plot, drawing, repair_plot
from quant_accuracy.reporting.page.drawing import Plot, Sheet

# How the page's key shows the means at these IoU.
IOU_STYLES = {"0.50": "-", "0.75": "--", "0.50:0.95": ":"}
# So many classes, quantizers and runs can be told apart.
CLASSES, HARMFUL, RUNS = 12, 15, 200
_WIDTH = 400
_NAN = float("nan")
# Of more runs, or more changes, dots and numbers would run into each other.
_DOTTED, _NUMBERED = 60, 12


class Plots(NamedTuple):
    """All plots of a page; None, or no elements, where there is nothing to draw."""

    curves: Optional[Plot]
    class_curves: Sequence[Plot]
    errors: Optional[Plot]
    ranges: Sequence[Plot]
    sensitivity: Optional[Plot]
    history: Optional[Plot]
    depth: Optional[Plot]
    calibration: Optional[Plot]
    repair: Optional[Plot]


def draw(document: Mapping[str, Any]) -> Plots:
    """Draw what a report's document holds."""
    why = document["why"]
    with drawing.own_settings():
        placed = [_ranges(document["quantizers"], kind, title)
                  for kind, title in ((PARAM, "Ranges of params"), (ACTIVATION, "Ranges of activations"))]
        return Plots(_curves(document), _class_curves(document), _errors(document),
                     [plot for plot in placed if plot is not None],
                     None if why is None else _sensitivity(why["sensitivity"]), _history(document["history"]),
                     None if document[DEPTH_KEY] is None else depth_plot.draw(document[DEPTH_KEY]),
                     calibration_plot.draw(_of_sides(document, "calibration")),
                     None if document[REPAIR_KEY] is None else repair_plot.draw(document[REPAIR_KEY]))


def _sides(document: Mapping[str, Any]) -> Sequence[str]:
    """The variants that there are."""
    return VARIANTS if document[DEVICE] is None else (*VARIANTS, DEVICE)


def _of_sides(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What the document holds under a key, by variant."""
    device = {} if document[DEVICE] is None else {DEVICE: document[DEVICE][key][DEVICE]}
    return {**{variant: document[key][variant] for variant in VARIANTS}, **device}


def _curves(document: Mapping[str, Any]) -> Optional[Plot]:
    """The mean over classes, of all variants at several IoU."""
    curves, sides, device = document["curves"], _sides(document), document[DEVICE]
    means = {**curves["mean"], **({} if device is None else device["curves"]["mean"])}
    known = [(variant, iou, values) for variant in sides for iou, values in means[variant].items()
             if values is not None]
    if not known:
        return None
    sheet = Sheet(_WIDTH, 292)
    axes = sheet.unit_axes("recall", "precision")
    for variant, iou, values in known:
        sheet.line(axes, curves["recall"], values, variant, style=IOU_STYLES.get(iou, "-."))
    areas = {(variant, iou): number(sum(values) / len(values)) for variant, iou, values in known}
    told = [f"{' → '.join(areas[variant, iou] for variant in sides if (variant, iou) in areas)} at IoU {iou}"
            for iou in sorted({iou for _, iou in areas}, key=lambda iou: (":" in iou, iou))]
    return _named(sheet, "Precision over recall, mean over classes",
                  f"Area below the curve, {' → '.join(sides)}: {', '.join(told)}.")


def _class_curves(document: Mapping[str, Any]) -> List[Plot]:
    """A small plot for each of the classes that lost the most AP."""
    aps = {side: metrics["per_class"] for side, metrics in _of_sides(document, "metrics").items()}
    device = document[DEVICE]
    of_device = {} if device is None else device["curves"]["classes"]
    curves = {name: {**curve, **of_device.get(name, {})} for name, curve in document["curves"]["classes"].items()}
    losses = {name: aps[FLOAT][name] - min(of_variant[name] for of_variant in aps.values())
              for name, curve in curves.items()
              if None not in [*curve.values(), *(of_variant.get(name) for of_variant in aps.values())]}
    worst = sorted(losses, key=lambda name: losses[name], reverse=True)[:CLASSES]
    return [_class_curve(name, document["curves"]["recall"], curves[name], "AP " + ", ".join(
        [number(aps[FLOAT][name]), *(f"{side} {number(of_variant[name])}" for side, of_variant in aps.items()
                                     if side != FLOAT)])) for name in worst]


def _class_curve(name: str, recall: Sequence[float], curve: Mapping[str, Sequence[float]], summary: str) -> Plot:
    sheet = Sheet(180, 130)
    axes = sheet.axes(22, 8, 172, 112, (0, 1), (0, 1))
    corners = {0.0: "0", 1.0: "1"}
    sheet.levels(axes, {**corners, 0.5: ""})
    sheet.columns(axes, {**corners, 0.5: ""})
    for variant, values in curve.items():
        sheet.line(axes, recall, values, variant)
    return Plot(name, summary, sheet.svg(f"Precision over recall at IoU 0.50 of {_apart(name)}: {summary}"))


def _errors(document: Mapping[str, Any]) -> Optional[Plot]:
    """How much AP50 each kind of error costs, side by side."""
    sides = {side: errors["dap"] for side, errors in _of_sides(document, "errors").items()}
    known = [value for side in sides.values() for value in side.values() if value is not None]
    if not known:
        return None
    kinds, step = list(sides[FLOAT]), 0.76 / len(sides)
    sheet = Sheet(_WIDTH, 20 * len(sides) * len(kinds) + 12)
    axes = sheet.axes(100, 4, _WIDTH - 54, sheet.height - 4, (min(0.0, *known), max(1e-4, *known)),
                      (len(kinds) - 0.5, -0.5))
    sheet.line(axes, (0, 0), (-0.5, len(kinds) - 0.5), drawing.LINE, 1.0)
    for row, kind in enumerate(kinds):
        sheet.write(92, sheet.place(axes, 0, row)[1], kind, "end", drawing.INK)
        for place, (variant, side) in enumerate(sides.items()):
            value, top = side.get(kind), row - 0.36 + place * step
            if value is not None:
                sheet.box(axes, (0, value), (top, top + step - 0.04), variant)
            x, y = sheet.place(axes, max(value or 0.0, 0.0), top + step / 2 - 0.02)
            sheet.write(x + 5, y, number(value))
    costs = sides[QUANTIZED]
    worst = max(costs, key=lambda kind: costs[kind] or 0.0)
    others = ", ".join(f"{name} {number(side.get(worst))}" for name, side in sides.items() if name != QUANTIZED)
    return _named(sheet, "AP50 lost to each kind of error",
                  f"Quantized, {worst} costs the most: {number(costs[worst])}, {others}.")


def _ranges(quantizers: Sequence[Mapping[str, Any]], kind: str, title: str) -> Optional[Plot]:
    """The range of every quantizer of a kind that is on, in the network's order; of channels the outermost ends."""
    ranges = [(item["tensor"], place, min(low for low, _ in item["ranges"]), max(high for _, high in item["ranges"]))
              for place, item in enumerate(quantizers, start=1) if item["kind"] == kind and item["ranges"]]
    if not ranges:
        return None
    low, high = min(0.0, *(item[2] for item in ranges)), max(0.0, *(item[3] for item in ranges))
    linear = _linear_part(ranges)
    sheet = Sheet(_WIDTH, 260)
    axes = sheet.axes(52, 24, _WIDTH - 8, 226, (-1, len(ranges)), (low, high if high > low else low + 1))
    axes.set_yscale("symlog", linthresh=linear)
    sheet.levels(axes, _powers(linear, low, high))
    for column, (tensor, place, bottom, top) in enumerate(ranges):
        sheet.box(axes, (column - 0.35, column + 0.35), (bottom, top), QUANTIZED,
                  f"#{place} {tensor}: {bottom:.4g} .. {top:.4g}")
    sheet.write(0, 6, "range, symmetric log scale")
    sheet.write(52, 246, "input")
    sheet.write(_WIDTH - 8, 246, "output", "end")
    widest = max(ranges, key=lambda item: item[3] - item[2])
    return _named(sheet, f"{title}, in the network's order",
                  f"#{widest[1]} {_apart(widest[0])} is the widest of {len(ranges)}: {widest[2]:.4g} .. "
                  f"{widest[3]:.4g}.")


def _linear_part(ranges: Sequence[Tuple[str, int, float, float]]) -> float:
    """Where the scale turns from linear to logarithmic: below the narrowest range, but four decades at most."""
    ends = [max(abs(low), abs(high)) for _, _, low, high in ranges]
    narrowest = min((end for end in ends if end > 0), default=1.0)
    return float(10.0 ** math.floor(math.log10(max(narrowest, max(ends) / 1e4, 1e-30))))


def _powers(linear: float, low: float, high: float) -> Dict[float, str]:
    """Powers of ten within both ends, and zero."""
    found = {0.0: "0"}
    size = linear
    while size <= max(high, -low):
        found.update({value: f"{value:g}" for value in (size, -size) if low <= value <= high})
        size *= 10
    return found


def _sensitivity(sensitivity: Mapping[str, Any]) -> Optional[Plot]:
    """The most harmful quantizers: the noise that each makes alone, and what leaving it out gains."""
    all_on, worst = sensitivity["all_on"], sensitivity["quantizers"][:HARMFUL]
    if all_on is None or not worst:
        return None
    noises = [0.0 if item["only_on"] is None else 100 * 10 ** ((all_on - item["only_on"]) / 10) for item in worst]
    gains = [math.inf if item["only_off"] is None else item["only_off"] - all_on for item in worst]
    sheet = Sheet(_WIDTH, 38 * len(worst) + 44)
    _bars(sheet, 0, ("noise with this one alone on,", "% of that with all on"), noises, drawing.INK, 1)
    _bars(sheet, _WIDTH / 2 + 6, ("SQNR gain with it alone off,", "dB"), gains, drawing.SOFT, 2)
    for row, item in enumerate(worst):
        sheet.write(0, 38 * row + 46, _shortened(with_layer(item["tensor"], item["layer"])), colour=drawing.INK)
    first = _apart(with_layer(worst[0]["tensor"], worst[0]["layer"]))
    return _named(sheet, "The most harmful quantizers",
                  f"{first} alone causes {noises[0]:.1f} % of the noise of all; without it the outputs gain "
                  f"{_signed(gains[0], 2)} dB.")


def _bars(sheet: Sheet, left: float, heading: Tuple[str, str], values: Sequence[float], colour: str,
          digits: int) -> None:
    """A column of bars below two lines, each with its value at its end; what is infinite fills the column."""
    for line, text in enumerate(heading):
        sheet.write(left, 8 + 15 * line, text, colour=colour)
    finite = [value for value in values if math.isfinite(value)]
    low, high = min([0.0, *finite]), max([1e-9, *finite])
    axes = sheet.axes(left, 38, left + _WIDTH / 2 - 58, sheet.height, (low, high), (len(values), 0))
    for row, value in enumerate(values):
        end = min(value, high)
        sheet.box(axes, (0, end), (row + 0.45, row + 0.78), colour)
        x, y = sheet.place(axes, max(end, 0.0), row + 0.615)
        sheet.write(x + 5, y, _signed(value, digits))


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}" if math.isfinite(value) else "∞"


def _shortened(tensor: str, length: int = 52) -> str:
    """The end of a tensor's name, from a slash if there is one: tensors of one network begin alike."""
    if len(tensor) <= length:
        return tensor
    end = tensor[1 - length:]
    return f"…{end[max(end.find('/'), 0):]}"


def _apart(name: str) -> str:
    """A name in a sentence, whose direction of writing it does not turn."""
    return name if name.isascii() else f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"


def _history(history: Sequence[Mapping[str, Any]]) -> Optional[Plot]:
    """The mAP of both variants and its drop over runs; vertical lines where something else was measured."""
    runs = list(enumerate(history, start=1))[-RUNS:]
    known = [item for _, item in runs if item["drop"] is not None]
    if len(known) < 2:
        return None
    places, changed = [place for place, _ in runs], [place for place, item in runs if item["changed"]]
    x = (places[0] - 0.3, places[-1] + 0.3)
    sheet = Sheet(_WIDTH, 330)
    above = [("float_mAP", FLOAT), ("quantized_mAP", QUANTIZED)]
    lost = [("drop", drawing.INK)]
    if any(item["device_mAP"] is not None for _, item in runs):
        above.append(("device_mAP", DEVICE))
        lost.append(("device_drop", DEVICE))
    panels = [(22, 172, (("mAP", drawing.INK),), above),
              (204, 294, (("drop", drawing.INK), ("device drop", DEVICE))[:len(lost)], lost)]
    for top, bottom, names, lines in panels:
        series = [([_NAN if item[key] is None else item[key] for _, item in runs], colour) for key, colour in lines]
        ticks = _ticks([value for values, _ in series for value in values if value == value])
        axes = sheet.axes(52, top, _WIDTH - 10, bottom, x, (ticks[0], ticks[-1]))
        sheet.levels(axes, {value: f"{value:.4g}" for value in ticks})
        for place, (name, colour) in enumerate(names):
            sheet.write(44 * place, top - 16, name, colour=colour)
        for place in changed:
            sheet.line(axes, (place, place), (ticks[0], ticks[-1]), drawing.MARK, 1.5, "--")
        for values, colour in series:
            sheet.line(axes, places, values, colour)
            if len(places) <= _DOTTED:
                sheet.dots(axes, places, values, colour)
    for place in changed if len(changed) <= _NUMBERED else ():
        sheet.write(sheet.place(axes, place, 0)[0], 188, f"#{place}", "middle", drawing.MARK)
    sheet.write(52, 316, f"#{places[0]}: {runs[0][1]['time'][:10]}")
    sheet.write(_WIDTH - 10, 316, f"#{places[-1]}: {runs[-1][1]['time'][:10]}", "end")
    drops = [item["drop"] for item in known]
    times = "once" if len(changed) == 1 else f"{len(changed)} times"
    return _named(sheet, "mAP and its drop over runs",
                  f"{len(runs)} runs; the provenance changed {times}; the drop ranged from {number(min(drops))} to "
                  f"{number(max(drops))}.")


def _ticks(values: Sequence[float]) -> List[float]:
    """A few round values that enclose these."""
    low, high = min(values), max(values)
    if high - low < 1e-4:
        low, high = low - 5e-5, high + 5e-5
    return [round(float(value), 9) + 0.0 for value in MaxNLocator(4).tick_values(low, high)]


def _named(sheet: Sheet, title: str, summary: str) -> Plot:
    return Plot(title, summary, sheet.svg(f"{title}. {summary}"))
