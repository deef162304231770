"""The page of options is that of the table."""

from quant_accuracy.settings import page
from quant_accuracy.settings.options import REPAIR_OPTIONS, REPORT_OPTIONS, SUITE_OPTIONS
from tests.support.places import ROOT


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")

    assert written == page.page(), "write it again: python -m quant_accuracy.settings.page > docs/options.md"


def test_every_option_stands_once_with_its_variable_and_its_setting() -> None:
    lines = page.page().splitlines()

    for option in {*REPORT_OPTIONS, *REPAIR_OPTIONS, *SUITE_OPTIONS}:
        rows = [line for line in lines if line.startswith((f"| `{option.flag}`", f"| `{option.flag} "))]
        assert len(rows) == 1, option.flag
        assert f"`QUANT_ACCURACY_{option.key.upper()}`" in rows[0]
        assert (f"`quant_accuracy_{option.key}`" in rows[0]) == (option in SUITE_OPTIONS)
