"""The table of options, as command lines declare it."""

import argparse

import pytest

from quant_accuracy.settings import options
from quant_accuracy.settings.options import REPORT_OPTIONS, Option

_TAKE_A_VALUE = [option for option in REPORT_OPTIONS if option.metavar]


@pytest.mark.parametrize("option", _TAKE_A_VALUE, ids=lambda option: option.key)
def test_a_value_that_is_empty_is_refused_where_it_is_typed(option: Option, capsys: pytest.CaptureFixture) -> None:
    parser = argparse.ArgumentParser()
    options.declare(parser, REPORT_OPTIONS)

    with pytest.raises(SystemExit):
        parser.parse_args([f"{option.flag}="])

    assert f"argument {option.flag}: '' is empty; give a value, or leave {option.flag} out" in capsys.readouterr().err
