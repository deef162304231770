"""The ids of images, categories and annotations: whole numbers of 64 bits, never rounded on their way.

COCO's ids are integers. JavaScript writes them as `1e3`, tables with a gap as `139.0`, spreadsheets as `"139"`: what
names one integer is that integer. A float names one up to 2^53 only; beyond, several integers share it.
"""

import re
from typing import Any

from quant_accuracy.base.errors import shown

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
ALLOWED = "an id is a whole number of 64 bits, -2^63 to 2^63 - 1"
# Whole numbers that float64 and float32 hold without a gap.
EXACT, EXACT_SINGLE = 1 << 53, 1 << 24

# Ends and digits of ASCII only: other scripts have digits too, and some that are no numbers.
_WHOLE = re.compile(r"([+-]?[0-9]{1,40})(\.0*)?")


def as_integer(value: Any, exact: int = EXACT) -> int:
    """The integer that a value of somebody's file names.

    Args:
        value: An integer, a float, or a text.
        exact: Up to where a float of the file names one integer: `EXACT`, or `EXACT_SINGLE` where it has 32 bits.

    Raises:
        ValueError: It names none, or none that is an id; the message says why, as in "the id {value} {message}".
    """
    found = value
    if isinstance(value, str):
        found = _of_text(value)
    elif isinstance(value, float):
        found = _of_float(value, exact)
    if not isinstance(found, int) or isinstance(found, bool):
        raise ValueError(f"is not a whole number; {ALLOWED}")
    if not SMALLEST <= found <= LARGEST:
        raise ValueError(f"is too large; {ALLOWED}")
    return found


def _of_text(text: str) -> Any:
    match = _WHOLE.fullmatch(text.strip(" \t\r\n"))
    if match is None:
        return None
    number = int(match.group(1))
    # A point says that it has been a float.
    if match.group(2) is not None and abs(number) > EXACT:
        raise ValueError(_rounded("a float"))
    return number


def _of_float(value: float, exact: int) -> Any:
    if not value.is_integer():
        return None
    if abs(value) > exact:
        raise ValueError(_rounded("a float" if exact == EXACT else "a float of 32 bits"))
    return int(value)


def _rounded(form: str) -> str:
    return (f"was written as {form}, which holds whole numbers exactly up to 2^{53 if form == 'a float' else 24} only, "
            "so that its last digits may be lost; write it as an integer")


def quoted(value: Any) -> str:
    """An id as a message names it: all digits of a number, short what is none."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST \
        else shown(value)
