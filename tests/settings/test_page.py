"""The page of options is that of the table."""

import pytest

from quant_accuracy.settings import option_groups, page
from quant_accuracy.settings.options import SUITE_OPTIONS
from tests.support.places import ROOT


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")

    assert written == page.page(), "write it again: python -m quant_accuracy.settings.page > docs/options.md"


def test_every_option_stands_once_with_its_variable_its_setting_and_who_takes_it() -> None:
    lines = page.page().splitlines()

    for option in {option for taken in page.TAKERS.values() for option in taken}:
        rows = [line for line in lines if line.startswith((f"| `{option.flag}`", f"| `{option.flag} "))]
        assert len(rows) == 1, option.flag
        assert f"`QUANT_ACCURACY_{option.key.upper()}`" in rows[0]
        assert (f"`quant_accuracy_{option.key}`" in rows[0]) == (option in SUITE_OPTIONS)
        takers = rows[0].split(" | ")[3]
        assert takers == "all" or takers.split(", ") == [name for name, taken in page.TAKERS.items() if option in taken]


def test_an_option_without_a_heading_is_refused() -> None:
    with pytest.raises(KeyError, match="no_such_option"):
        option_groups.grouped(["model", "no_such_option"])
