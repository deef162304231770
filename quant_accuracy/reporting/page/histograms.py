"""How the values of a quantized tensor lie within its range, drawn: histogram, clipped tails, ranges of channels."""

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from quant_accuracy.reporting.page import evidence

_WIDTH, _HEIGHT, _CHANNELS, _LINE = 300.0, 60.0, 44.0, 14.0


class Drawn(NamedTuple):
    """A drawing: of which tensor, where its row stands, and an `svg` element in which data are numbers only."""

    tensor: str
    anchor: str
    svg: str

    def folded(self) -> str:
        """The drawing, to be opened in a row of the table."""
        return f"<details><summary>values</summary>{self.svg}</details>"


def draw(document: Mapping[str, Any]) -> Dict[str, Drawn]:
    """The distributions of a report by tensor; none where nobody asked why."""
    found = {item["tensor"]: item for item in document["distributions"] or ()}
    return {item["tensor"]: Drawn(item["tensor"], evidence.quantizer_anchor(place),
                                  _draw(found[item["tensor"]], item["ranges"]))
            for place, item in enumerate(document["quantizers"], start=1) if item["tensor"] in found and item["ranges"]}


def _draw(values: Mapping[str, Any], ranges: Sequence[Sequence[float]]) -> str:
    """On one scale: the range as a band, the histogram over it, words below; then the channels."""
    start, end = min(low for low, _ in ranges), max(high for _, high in ranges)
    low, high = min(start, float(values["low"])), max(end, float(values["high"]))
    unit: float = _WIDTH / (high - low if high > low else 1.0)

    def x(value: float) -> float:
        return unit * (value - low)

    parts = [f'<rect x="{x(start):.1f}" y="0" width="{max(x(end) - x(start), 0.5):.1f}" height="{_HEIGHT:g}" '
             'style="fill: var(--neutral)"/>', _outline(values, x(values["low"]), x(values["high"]))]
    parts += [_text(0, _HEIGHT + 11, f"{low:.3g}", "start"), _text(_WIDTH, _HEIGHT + 11, f"{high:.3g}", "end"),
              _text(_WIDTH / 2, _HEIGHT + 11, _clipped(values), "middle")]
    height = _HEIGHT + _LINE
    if values["channels"]:
        parts.append(_of_channels(values["channels"], low, high, height))
        height += _CHANNELS + 4
    label = f"Histogram of the values from {values['low']:.3g} to {values['high']:.3g}; {_clipped(values)}"
    return (f'<svg class="values" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH:g} {height:g}" '
            f'font-size="10">{"".join(parts)}</svg>')


def _outline(values: Mapping[str, Any], left: float, right: float) -> str:
    """The histogram; roots of shares, so that tails are seen."""
    most = max(values["shares"]) or 1.0
    step = max(right - left, 1.0) / len(values["shares"])
    corners = [f"M{left:.1f} {_HEIGHT:g}"]
    for share in values["shares"]:
        # What is there at all is seen.
        tall = max(math.sqrt(share / most) * (_HEIGHT - 4), 1.0) if share else 0.0
        corners.append(f"V{_HEIGHT - tall:.1f}h{step:.2f}")
    return f'<path d="{"".join(corners)}V{_HEIGHT:g}z" style="fill: var(--float)"/>'


def _of_channels(channels: Sequence[Sequence[float]], low: float, high: float, top: float) -> str:
    """An upright line for each channel from its smallest to its largest value, and one at zero."""
    unit = _CHANNELS / (high - low if high > low else 1.0)
    step = _WIDTH / len(channels)

    def y(value: float) -> float:
        return top + unit * (high - value)

    lines: List[str] = [f"M{step * (place + 0.5):.1f} {y(ends[1]):.1f}V{max(y(ends[0]), y(ends[1]) + 0.6):.1f}"
                        for place, ends in enumerate(channels)]
    zero = f'<path d="M0 {y(0.0):.1f}H{_WIDTH:g}" style="stroke: var(--soft); stroke-width: .5"/>' if low <= 0 <= high \
        else ""
    return (f'{zero}<path d="{"".join(lines)}" style="stroke: var(--float); '
            f'stroke-width: {min(max(step * 0.7, 0.8), 6.0):.1f}"/>')


def _clipped(values: Mapping[str, Any]) -> str:
    told = [f"{100 * values[side]:.2g} % {side}" for side in ("below", "above") if values[side]]
    return f"clipped: {', '.join(told)}" if told else "nothing is clipped"


def _text(x: float, y: float, text: str, align: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{align}" style="fill: var(--soft)">{text}</text>'
