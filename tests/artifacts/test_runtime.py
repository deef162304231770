"""Which runtime computes a network."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Callable

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import runtime
from quant_accuracy.artifacts.records import Checkpoint, Computation
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import AUTO, OPENVINO, TENSORFLOW
from quant_accuracy.runtimes import openvino_runtime
from quant_accuracy.settings.card import ModelCard
from tests.support import runtimes

Settle = Callable[[str, tf.GraphDef], Computation]


@pytest.fixture
def settle(demo_card: ModelCard, tmp_path: Path) -> Settle:
    """Chooses the runtime of a small network for what a card says."""

    def settled(name: str, graph: tf.GraphDef) -> Computation:
        folder = tmp_path / "float"
        folder.mkdir(exist_ok=True)
        (folder / "folded.pb").write_bytes(graph.SerializeToString())
        names = replace(demo_card.graph, image_input="images", starting_ops=("start",), output_ops=("end",))
        card = replace(demo_card, graph=names, height=runtimes.SIDE, width=runtimes.SIDE, runtime=name)
        runtime._say.cache_clear()
        return runtime.settled(card, Checkpoint(tmp_path / "model.ckpt", folder), Cache(tmp_path / "cache"))

    return settled


def _plain() -> tf.GraphDef:
    return runtimes.network(lambda start: tf.nn.conv2d(start, runtimes.values(3, 3, 3, 4), 1, "SAME"))


def _odd() -> tf.GraphDef:
    return runtimes.network(lambda start: tf.math.betainc(tf.abs(start), tf.abs(start), tf.constant(0.5), name="odd"))


@pytest.mark.parametrize(("asked", "taken"), [(TENSORFLOW, TENSORFLOW), (OPENVINO, OPENVINO), (AUTO, OPENVINO)])
def test_a_network_that_openvino_takes_is_computed_by_what_is_asked_for(asked: str, taken: str, settle: Settle,
                                                                       capsys: pytest.CaptureFixture[str]) -> None:
    found = settle(asked, _plain())

    assert found.runtime == taken
    assert (found.table is not None) == (taken == OPENVINO)
    # The second time it comes from the cache.
    assert settle(asked, _plain()) == found
    assert capsys.readouterr().err == ""


def test_auto_takes_tensorflow_for_an_op_that_openvino_does_not_know_and_says_so_in_a_line(
        settle: Settle, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert settle(AUTO, _odd()) == Computation(TENSORFLOW)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("runtime auto is tensorflow here: the float graph: OpenVINO")
        assert line.endswith("does not take the op Betainc 'odd'")


def test_openvino_that_is_asked_for_is_refused_where_it_does_not_know_an_op(settle: Settle) -> None:
    with pytest.raises(ConfigurationError, match="--runtime openvino: the float graph: .*Betainc 'odd'; use --runtime "
                                                 "tensorflow"):
        settle(OPENVINO, _odd())


def test_auto_takes_tensorflow_where_openvino_is_not_installed_and_says_how_to_install_it(
        settle: Settle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, *more: None if name == OPENVINO else found(name, *more))

    assert settle(AUTO, _plain()) == Computation(TENSORFLOW)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("runtime auto is tensorflow here: OpenVINO is not installed; install it with `")
    assert "pip install openvino==" in line


def test_auto_takes_tensorflow_where_openvino_is_there_and_cannot_be_loaded(
        settle: Settle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    openvino_runtime.load.cache_clear()
    monkeypatch.setattr(openvino_runtime, "_module", broken)

    assert settle(AUTO, _plain()) == Computation(TENSORFLOW)
    assert "OpenVINO cannot be loaded (libgomp.so.1: cannot open" in capsys.readouterr().err
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        settle(OPENVINO, _plain())


def test_an_installation_that_is_mended_is_taken_again(settle: Settle, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("Device with \"CPU\" name is not registered")

    openvino_runtime.load.cache_clear()
    monkeypatch.setattr(openvino_runtime, "_core", broken)
    assert settle(AUTO, _plain()).runtime == TENSORFLOW
    monkeypatch.undo()

    assert settle(AUTO, _plain()).runtime == OPENVINO
