"""Runtimes by name."""

import importlib.util
from typing import Any

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO, TENSORFLOW
from quant_accuracy.runtimes import choice, openvino_runtime
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


@pytest.mark.parametrize("error", [
    AttributeError("module 'numpy' has no attribute 'bool'"), ValueError("numpy.ndarray size changed"),
    SyntaxError("invalid syntax"), OSError("cannot open shared object file")], ids=lambda error: type(error).__name__)
def test_an_openvino_that_cannot_be_imported_is_refused_whatever_it_raises(
        error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise error

    openvino_runtime.load.cache_clear()
    monkeypatch.setattr(openvino_runtime, "_module", broken)

    with pytest.raises(ConfigurationError, match=rf"OpenVINO cannot be loaded \({error}\); install it again with"):
        choice.of_name(OPENVINO)


def test_an_openvino_without_its_plugin_for_cpus_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Core:
        def read_model(self, path: str) -> None:
            """Reads whatever it is given."""

        def compile_model(self, *asked: Any) -> None:
            raise RuntimeError("Exception from core.cpp:91:\nDevice with \"CPU\" name is not registered")

    openvino_runtime.load.cache_clear()
    monkeypatch.setattr(openvino_runtime, "_core", Core)

    with pytest.raises(ConfigurationError, match="cannot be loaded .Device with .CPU. name is not registered.; inst"):
        choice.of_name(OPENVINO)
    monkeypatch.undo()
    assert choice.of_name(OPENVINO).name == OPENVINO


def test_tensorflow_is_the_only_one_that_takes_whole_graphs() -> None:
    whole: Any = {name: choice.of_name(name).whole for name in runtimes.EVERY}

    assert whole == {TENSORFLOW: True, OPENVINO: False}
