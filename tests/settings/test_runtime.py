"""The runtime that options and cards choose."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import AUTO, OPENVINO, TENSORFLOW
from quant_accuracy.settings import card, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.values import Values
from tests.support.places import ROOT


def _card(folder: Path, said: Optional[str]) -> str:
    path = folder / "mine.yaml"
    path.write_text(f"base: {options.DEMO_CARD}\nname: mine\n" + (f"runtime: {said}\n" if said else ""))
    return str(path)


@pytest.mark.parametrize(("said", "typed", "chosen"), [
    (None, None, TENSORFLOW), (AUTO, None, AUTO), (OPENVINO, TENSORFLOW, TENSORFLOW), (None, AUTO, AUTO)])
def test_an_option_overrules_the_card_and_without_either_it_is_tensorflow(
        said: Optional[str], typed: Optional[str], chosen: str, tmp_path: Path) -> None:
    values: Dict[str, Any] = {"model": [_card(tmp_path, said)], "runtime": typed}

    assert [one.runtime for one in requests.chosen_cards(Values(values))] == [chosen]


def test_a_card_that_names_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="runtime is 'onnx'; use tensorflow, openvino or auto"):
        card.load(_card(tmp_path, "onnx"))


def test_what_is_not_installed_is_refused_before_anything_is_made(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *more: None if name == OPENVINO else found(name, *more))

    with pytest.raises(ConfigurationError, match="OpenVINO is not installed; install it with .*pip install openvino=="):
        requests.chosen_cards(Values({"model": [_card(tmp_path, OPENVINO)]}))
    assert requests.chosen_cards(Values({"model": [_card(tmp_path, AUTO)]}))


def test_options_are_answered_without_loading_a_runtime() -> None:
    script = ("import sys\n"
              "from quant_accuracy.settings import request\n"
              "from quant_accuracy.settings.values import Values\n"
              "request.chosen_cards(Values({'runtime': 'auto'}))\n"
              "assert not {'tensorflow', 'openvino'} & set(sys.modules)")

    done = subprocess.run([sys.executable, "-c", script], cwd=str(ROOT), capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
