"""Whether encodings out of a file can be used, and what is said of one that cannot."""

import math
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base.documents import as_number
from quant_accuracy.base.errors import StorageError, shown
from quant_accuracy.quantization.encodings import holds_zero
from quant_accuracy.quantization.records import Encoding

# The most steps that a quantizer has.
_LARGEST_OFFSET = 2 ** 32
_ROUNDING = 1e-3
BITWIDTHS = range(2, 33)


def on_grid(scale: float, offset: int, bitwidth: int, symmetric: bool) -> Encoding:
    """The encoding of a grid whose ends the file does not say."""
    return Encoding(scale * offset, scale * (offset + 2 ** bitwidth - 1), scale, offset, bitwidth, symmetric)


def require(path: Path, tensor: str, found: Sequence[Encoding], remedy: str) -> Tuple[Encoding, ...]:
    """The encodings of a tensor, all of which can be used.

    Raises:
        StorageError: One cannot, or there is none.
    """
    problems = [problem for encoding in found for problem in _problems(encoding)] or ([] if found else ["it is empty"])
    if problems:
        raise StorageError(f"{path}: the encoding of {tensor!r} cannot be used: {problems[0]}; {remedy}")
    return tuple(found)


def _problems(encoding: Encoding) -> List[str]:
    low, high = encoding.minimum, encoding.maximum
    if not all(map(math.isfinite, (low, high, encoding.scale))):
        return [f"min {low}, max {high}, scale {encoding.scale} are not all finite"]
    if encoding.bitwidth not in BITWIDTHS:
        return [f"{encoding.bitwidth} is not a bit width"]
    if low >= high:
        return [f"the range {low} .. {high} is inverted or empty"]
    if not holds_zero(low, high, encoding.bitwidth):
        return [f"the range {low} .. {high} does not hold zero"]
    # A strict symmetric range has one step less, and AIMET's export of it ignores that.
    steps = 2 ** encoding.bitwidth - 1
    if not any(math.isclose(encoding.scale, (high - low) / count, rel_tol=1e-2) for count in (steps, steps - 1)):
        return [f"the scale {encoding.scale} is not the range {low} .. {high} in {steps} steps"]
    if abs(encoding.offset) > _LARGEST_OFFSET:
        return [f"the offset {shown(encoding.offset)} is not that of any range"]
    return []


def whole(value: Any, key: str) -> int:
    """A whole number, also as `8.0` or "8"; writers with less precision than ours miss it by a little.

    Raises:
        ValueError: It is none.
    """
    number = as_number(value)
    if number is None or abs(number - round(number)) > _ROUNDING:
        raise ValueError(f"{key} is {shown(value)}, not a whole number")
    return round(number)


def number(value: Any, key: str) -> float:
    """A number, also as text.

    Raises:
        ValueError: It is none.
    """
    found = as_number(value)
    if found is None:
        raise ValueError(f"{key} is {shown(value)}, not a number")
    return float(found)


def several(value: Any, key: str) -> List[Any]:
    """The items of a list, or the one that stands there without a list.

    Raises:
        ValueError: They are lists themselves.
    """
    found = value if isinstance(value, list) else [value]
    if any(isinstance(item, (list, dict)) for item in found):
        raise ValueError(f"{key} has more than one axis")
    return found


def beyond(path: Path, tensor: str, item: Mapping[str, Any], fields: Mapping[str, str], remedy: str) -> None:
    """Refuse an encoding that has a field of a scheme that is not simulated here.

    Args:
        path: The file.
        tensor: The encoding's tensor.
        item: The encoding, as it stands there.
        fields: For each such field what it says of an encoding.
        remedy: What to do instead.

    Raises:
        StorageError: It has one.
    """
    for field, meaning in fields.items():
        if item.get(field) not in (None, 0, [], False) and not _zeros(item[field]):
            raise unsupported(path, tensor, f"{field} {shown(item[field])}", meaning, remedy)


def _zeros(value: Any) -> bool:
    return isinstance(value, list) and all(part == 0 for part in value)


def unsupported(path: Path, tensor: str, what: str, meaning: str, remedy: Optional[str] = None) -> StorageError:
    """That an encoding is of a kind that is not simulated here."""
    return StorageError(f"{path}: the encoding of {tensor!r} has {what}: {meaning}, and only integers with one "
                        "encoding for a tensor or a channel are simulated; "
                        f"{remedy or 'quantize this tensor in another way'}")
