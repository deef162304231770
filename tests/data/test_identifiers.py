"""What names one integer is read as that integer, and nothing else is."""

import io
from typing import Any, Callable

import pytest
from PIL import Image

from quant_accuracy.base.errors import (
    DataError,
)
from quant_accuracy.data import identifiers, images, shards
from quant_accuracy.settings.card import DataPaths
from tests.support.records import example_of, write_framed


@pytest.mark.parametrize(("value", "integer"), [
    (0, 0), (-5, -5), ((1 << 63) - 1, (1 << 63) - 1), (-(1 << 63), -(1 << 63)),
    (1.0, 1), (1e3, 1000), (-2.0, -2), (float(1 << 53), 1 << 53),
    ("42", 42), (" 42\r\n", 42), ("000000000139", 139), ("+7", 7), ("-7", -7), ("139.0", 139), ("139.", 139),
    ("123456789012345678", 123456789012345678),
])
def test_one_integer_in_any_form_is_that_integer(value: Any, integer: int) -> None:
    found = identifiers.as_integer(value)

    assert found == integer
    assert type(found) is int


@pytest.mark.parametrize(("value", "problem"), [
    (1.5, "is not a whole number"), (float("nan"), "is not a whole number"), (float("inf"), "is not a whole number"),
    (True, "is not a whole number"), (None, "is not a whole number"), ([1], "is not a whole number"),
    ("", "is not a whole number"), ("cat.jpg", "is not a whole number"), ("000000000139.jpg", "is not a whole number"),
    ("1e3", "is not a whole number"), ("0x10", "is not a whole number"), ("1_000", "is not a whole number"),
    ("٣", "is not a whole number"), ("²", "is not a whole number"), ("4 2", "is not a whole number"),
    (1 << 63, "is too large"), (-(1 << 63) - 1, "is too large"), ("9" * 19, "is too large"), ("9" * 40, "is too large"),
    (float((1 << 53) + 2), "was written as a float"), (1e21, "was written as a float"),
    ("100000000000000000.0", "was written as a float"),
])
def test_what_names_no_integer_or_perhaps_another_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        identifiers.as_integer(value)


def test_a_float_of_32_bits_is_exact_up_to_2_to_the_24() -> None:
    assert identifiers.as_integer(float(1 << 24), identifiers.EXACT_SINGLE) == 1 << 24
    with pytest.raises(ValueError, match=r"float of 32 bits, which holds whole numbers exactly up to 2\^24"):
        identifiers.as_integer(float((1 << 24) + 2), identifiers.EXACT_SINGLE)


def test_digits_of_other_scripts_are_no_image_id(convert: Callable[..., DataPaths]) -> None:
    data, buffer = convert(), io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "PNG")
    write_framed(data, example_of(image_encoded=buffer.getvalue(), image_source_id="²".encode()))

    with pytest.raises(DataError, match="is not a COCO image id"):
        list(images.stream(shards.find_shards(data.dataset_dir, data.pattern), 1, 30, 30))
