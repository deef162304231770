"""Flags that other plugins have too are left to them, whichever is loaded first."""

import argparse
from typing import Any, List

import pytest
from _pytest.config import get_config

from quant_accuracy.plugin import options as ours


class _Foreign:
    """Another plugin that takes `--report`, in a group of its own, and `--shards`, in none."""

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        parser.getgroup("foreign").addoption("--report", dest="foreign_report")
        parser.addoption("--shards", dest="foreign_shards", type=int)


def _parser(plugins: List[Any]) -> Any:
    config = get_config()
    for plugin in plugins:
        config.pluginmanager.register(plugin)
    return config._parser


def _help(plugins: List[Any]) -> str:
    parser = _parser(plugins)
    # Pytest up to 9.0 makes argparse's parser when it needs it.
    return str((parser._getparser() if hasattr(parser, "_getparser") else parser.optparser).format_help())


_ORDERS = pytest.mark.parametrize("plugins", [[_Foreign(), ours], [ours, _Foreign()]], ids=["before", "after"])


@_ORDERS
def test_a_flag_that_another_plugin_takes_is_left_to_it_and_the_long_name_is_ours(plugins: List[Any]) -> None:
    parsed = _parser(plugins).parse_known_args(["--report", "theirs", "--shards", "3", "--quant-accuracy-report",
                                                "html", "--quant-accuracy-shards", "0-1", "--threads", "2"])

    assert (parsed.foreign_report, parsed.foreign_shards) == ("theirs", 3)
    assert (parsed.quant_report, parsed.quant_shards, parsed.quant_threads) == (("html",), "0-1", 2)


@_ORDERS
def test_help_shows_the_long_name_where_the_flag_is_taken_and_only_there(plugins: List[Any]) -> None:
    said = _help(plugins)

    assert "--quant-accuracy-report=FORMATS" in said
    assert "also write reports to --output-dir" in said
    assert "--threads=N" in said
    assert "--quant-accuracy-threads" not in said


def test_both_names_of_a_free_flag_mean_the_same() -> None:
    parser = _parser([ours])

    for flags in (["--model", "a", "--quant-accuracy-model", "b"], ["--quant-accuracy-model", "a", "--model", "b"]):
        assert parser.parse_known_args(flags).quant_model == ["a", "b"]


def test_pytests_own_strict_is_left_to_pytest() -> None:
    parsed = _parser([ours]).parse_known_args(["--strict", "--quant-accuracy-strict"])

    assert (parsed.strict, parsed.quant_strict) == (True, True)


def test_two_other_plugins_that_take_the_same_flag_are_refused_as_ever() -> None:
    class Another:
        def pytest_addoption(self, parser: pytest.Parser) -> None:
            parser.getgroup("another").addoption("--theirs", dest="another")

    class Third:
        def pytest_addoption(self, parser: pytest.Parser) -> None:
            parser.getgroup("third").addoption("--theirs", dest="third")

    with pytest.raises((ValueError, argparse.ArgumentError), match="--theirs"):
        _parser([ours, Another(), Third()]).parse_known_args([])
