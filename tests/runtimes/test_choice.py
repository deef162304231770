"""Runtimes by name."""

import importlib.util
from typing import Any

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO, TENSORFLOW
from quant_accuracy.runtimes import choice
from tests.support import runtimes


@pytest.mark.parametrize("name", runtimes.EVERY)
def test_a_runtime_is_found_by_its_name_and_by_name_and_version(name: str) -> None:
    found = choice.of_name(name)

    assert found.name == name
    assert found.identity == f"{name} {found.version}"
    assert type(choice.of_identity(found.identity)) is type(found)


def test_another_version_than_where_the_evaluation_was_started_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is version .* here and 1.0 where this evaluation was started"):
        choice.of_identity("openvino 1.0")


def test_a_runtime_that_is_not_installed_is_refused_with_the_command_that_installs_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *more: None if name == OPENVINO else found(name, *more))

    assert choice.of_name(TENSORFLOW).whole
    with pytest.raises(ConfigurationError, match="OpenVINO is not installed; .*pip install openvino==2"):
        choice.of_name(OPENVINO)


def test_tensorflow_is_the_only_one_that_takes_whole_graphs() -> None:
    whole: Any = {name: choice.of_name(name).whole for name in runtimes.EVERY}

    assert whole == {TENSORFLOW: True, OPENVINO: False}
