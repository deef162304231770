"""Several cards checked by one command."""

from pathlib import Path

import pytest

from quant_accuracy.commands import check_card
from quant_accuracy.settings.options import REAL_CARD


def test_two_cards_of_one_name_are_a_fault_of_the_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / name for name in ("one.yaml", "two.yaml")]
    for path in paths:
        path.write_text(f"base: {REAL_CARD}\nname: mine\n")

    status = check_card.main([str(path) for path in paths])

    said = capsys.readouterr().out
    assert status == 2
    assert f"{paths[0]}: no fault\n" in said
    assert f"fault: {paths[1]}: name is mine, as in {paths[0]}; give each model a name of its own" in said
