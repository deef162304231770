"""What options take for a value, and what they refuse."""

import argparse
from typing import Any, Callable

import pytest

from quant_accuracy.settings import converters


@pytest.mark.parametrize(("convert", "text", "value"), [
    (converters.positive, "12", 12), (converters.positive, " 3 ", 3),
    (converters.time_in("minutes"), "0.5", 0.5), (converters.time_in("seconds"), "1e3", 1000.0),
    (converters.cluster, "auto", "auto"), (converters.cluster, "head:6379", "head:6379"),
    (converters.choice("a", "b"), "b", "b"), (converters.bitwidth, "16", 16), (converters.bitwidth, "2", 2),
    (converters.switch, "Yes", True), (converters.switch, "0", False), (converters.switch, "OFF", False),
    (converters.report_forms, "json, html,json", ("json", "html")),
])
def test_a_text_that_means_one_value_is_that_value(convert: Callable[[str], Any], text: str, value: Any) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(("convert", "text", "message"), [
    (converters.positive, "0", "'0' is not a whole number from 1 on"), (converters.positive, "-1", "'-1' is not"),
    (converters.positive, "1.5", "'1.5' is not"), (converters.positive, "", "'' is not"),
    (converters.time_in("minutes"), "0", "'0' is not a number of minutes above 0"),
    (converters.time_in("minutes"), "inf", "'inf' is not"), (converters.time_in("minutes"), "nan", "'nan' is not"),
    (converters.time_in("seconds"), "soon", "'soon' is not a number of seconds"),
    (converters.cluster, "ray://head:1", "is not a cluster address; use auto, HOST:PORT or local"),
    (converters.cluster, "head", "'head' is not a cluster address"), (converters.choice("a", "b"), "c", "use a or b"),
    (converters.bitwidth, "1", "'1' is not a bit width from 2 to 16"), (converters.bitwidth, "17", "'17' is not"),
    (converters.switch, "perhaps", "'perhaps' is neither yes nor no"),
    (converters.report_forms, "html,pdf", "'pdf' is not a report format; use some of html,json,md"),
])
def test_a_text_that_is_no_value_is_refused_with_what_would_be(convert: Callable[[str], Any], text: str,
                                                              message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        convert(text)

    assert message in str(caught.value)
