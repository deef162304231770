"""From an observed range to an encoding, and from values to quantized values, by AIMET 1.19's rules."""

import math
from typing import NamedTuple

import numpy as np

from quant_accuracy.base.errors import DataError
from quant_accuracy.quantization.records import Encoding, Symmetry

_NARROWEST_RANGE = 0.01
NARROWEST_GRID = 1e-5
_ROUNDINGS, _PART_OF_STEP = 4 * float(np.finfo(np.float32).eps), 0.1
_ASYMMETRIC = Symmetry()


class Range(NamedTuple):
    """The smallest and the largest value seen."""

    minimum: float
    maximum: float


def round_half_away(values: np.ndarray) -> np.ndarray:
    """Round to the nearest integer, halves away from zero, as C's `round` does (numpy's rounds halves to even)."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


def range_encoding(seen: Range, bitwidth: int, symmetry: Symmetry = _ASYMMETRIC) -> Encoding:
    """The encoding of scheme `tf` for an observed range.

    AIMET's rule, in double precision: widen the range to hold zero and to be at least 0.01 wide. Asymmetric: divide it
    into 2^bitwidth - 1 steps and shift it so that zero is exactly on the grid. Symmetric: the larger of both sides
    decides, with one step more below zero than above unless strict; a range without negative values stays as it is
    where unsigned grids are allowed.

    Args:
        seen: The observed range.
        bitwidth: 2..31 bits.
        symmetry: Which ranges are allowed.

    Raises:
        DataError: The range is NaN, infinite or inverted.
    """
    if not (math.isfinite(seen.minimum) and math.isfinite(seen.maximum) and seen.minimum <= seen.maximum):
        raise DataError(f"the range {seen.minimum} .. {seen.maximum} cannot be quantized; "
                        "look for NaN or infinite values in the calibration run")
    low, high = min(0.0, seen.minimum), max(0.0, seen.maximum)
    high = max(high, low + _NARROWEST_RANGE)
    steps = 2 ** bitwidth - 1 - int(symmetry.symmetric and symmetry.strict)
    if symmetry.symmetric and not (symmetry.unsigned and low == 0.0):
        above = steps // 2
        scale = max(-low, high) / above
        offset = -math.ceil(steps / 2)
        return Encoding(scale * offset, scale * above, scale, offset, bitwidth, True)
    scale = (high - low) / steps
    offset = int(round_half_away(np.float64(low / scale)))
    minimum = scale * offset
    return Encoding(minimum, high - low + minimum, scale, offset, bitwidth, symmetry.symmetric)


def holds_zero(minimum: float, maximum: float, bitwidth: int) -> bool:
    """Whether zero lies on the grid of a range, or so near to one of its ends that rounding alone keeps it off.

    An end is the product of a step and a whole number, taken by others in float32, written and read again: where it
    should be zero, it is not always. Simulation puts zero on the grid (`quantize_dequantize`, and TensorFlow's nudging
    of a fake-quant op), which moves the grid by no more than this slack: a few float32 roundings of the range, or a
    tenth of a step, which is less than quantization itself rounds off.
    """
    width = maximum - minimum
    slack = max(_ROUNDINGS * width, _PART_OF_STEP * width / max(1, 2 ** bitwidth - 1))
    return bool(minimum <= slack and maximum >= -slack)


def quantize_dequantize(values: np.ndarray, encoding: Encoding) -> np.ndarray:
    """The values of `encoding`'s grid nearest to `values`; float32 in, float32 out, any shape.

    AIMET's rule: clamp to the encoding's range, divide by the step, round halves away from zero, and only then apply
    the offset. Values beyond the range saturate; NaN passes through.
    """
    minimum, maximum = min(encoding.minimum, 0.0), max(encoding.maximum, 0.0)
    maximum = max(maximum, minimum + NARROWEST_GRID)
    # A range that is exactly symmetric has one step less: AIMET takes it for a strict symmetric one.
    steps_in_range = 2 ** encoding.bitwidth - (2 if minimum == -maximum else 1)
    scale = (maximum - minimum) / steps_in_range
    offset = round_half_away(np.float64(minimum / scale))
    clamped = np.clip(values.astype(np.float64), minimum, maximum).astype(np.float32)
    steps = round_half_away(clamped.astype(np.float64) / scale) - offset
    return (scale * (steps + offset)).astype(np.float32)
