"""Small bars in the cells of tables, as SVG in the colours of the page."""

from typing import List, Optional, Sequence

from quant_accuracy.base.words import QUANTIZED

_WIDTH = 100.0


class Scale:
    """Bars for ratios of signal to noise: the more noise, the longer."""

    def __init__(self, decibels: Sequence[Optional[float]]) -> None:
        self._least = min((value for value in decibels if value is not None), default=0.0)

    def bar(self, decibels: Optional[float]) -> str:
        """A bar as long as the noise is strong (its amplitude) beside the strongest; none where there is no noise."""
        if decibels is None:
            return ""
        return _svg([_rect(0, 0, _WIDTH * 10 ** ((self._least - decibels) / 20), 6, "ink")], 6)


def ranges(before: Sequence[float], after: Sequence[float], beside: Sequence[Sequence[float]] = ()) -> str:
    """Two ranges above each other on one scale, with a line at zero.

    Args:
        before: The upper one, of the snapshot or of the first run.
        after: The lower one.
        beside: Further ranges that the scale has to hold, because other bars are compared with this one.
    """
    all_of_them = [before, after, *beside]
    low, high = min(0.0, *(ends[0] for ends in all_of_them)), max(0.0, *(ends[1] for ends in all_of_them))
    unit = _WIDTH / (high - low if high > low else 1.0)
    parts = [_rect(unit * (ends[0] - low), top, unit * (ends[1] - ends[0]), 5, colour)
             for ends, top, colour in ((before, 0, "soft"), (after, 7, QUANTIZED))]
    return _svg([*parts, _rect(unit * -low - 0.4, 0, 0.8, 12, "ink")], 12)


def _svg(parts: List[str], height: int) -> str:
    # What it shows stands beside it in digits.
    return (f'<svg class="bar" aria-hidden="true" viewBox="0 0 100 {height}" preserveAspectRatio="none" '
            f'height="{height}">{"".join(parts)}</svg>')


def _rect(left: float, top: float, width: float, height: float, colour: str) -> str:
    # A range of nothing is still seen.
    return (f'<rect x="{left:.1f}" y="{top}" width="{max(width, 0.8):.1f}" height="{height}" '
            f'style="fill: var(--{colour})"/>')
