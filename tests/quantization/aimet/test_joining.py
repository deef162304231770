"""AIMET's quantizers on the graph that is folded here, whatever AIMET calls its tensors.

With a stand-in of AIMET that numbers new biases from the end: the network is folded, calibrated and named by this
project's code twice, and both have to agree.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator, Tuple

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, encodings_file
from quant_accuracy.quantization.records import AIMET, BUILTIN, Override, Quantization, Settings
from tests.support import stand_in, two_branches
from tests.support.two_branches import BATCHES, NAMES, Branches

_BUILTIN = Settings(backend=AIMET, simulator=BUILTIN)


@pytest.fixture(scope="module")
def branches(tmp_path_factory: Any) -> Branches:
    return two_branches.make(Path(tmp_path_factory.mktemp("branches")))


@pytest.fixture(params=["", stand_in.REVERSED], ids=["same order", "reversed"])
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Iterator[str]:
    with stand_in.installed(monkeypatch, tmp_path_factory.mktemp("temporary")):
        monkeypatch.setenv(stand_in.ORDER, request.param)
        yield request.param


def _build(branches: Branches, folder: Path, settings: Settings = _BUILTIN) -> Quantization:
    return aimet.build(branches.prefix, branches.network, NAMES, settings, None, BATCHES, folder,
                       settings.simulator == AIMET)


def test_each_tensor_gets_its_own_encoding_whatever_aimet_calls_it(branches: Branches, order: str, tmp_path: Path,
                                                                   capfd: Any) -> None:
    found = _build(branches, tmp_path)

    assert found.encodings == branches.quantization.encodings
    assert [replace(q, rule="") for q in sorted(found.quantizers, key=lambda q: q.tensor)] \
        == [replace(q, rule="") for q in sorted(branches.quantization.quantizers, key=lambda q: q.tensor)]
    assert {q.rule for q in found.quantizers} == {"AIMET"}
    said = capfd.readouterr().err
    assert ("AIMET: 4 of its tensors have other names here" in said) == (order == stand_in.REVERSED)


def test_overrides_are_for_the_names_that_the_network_has_here(branches: Branches, order: str, tmp_path: Path) -> None:
    settings = replace(_BUILTIN, overrides=(Override("bias_value_5:0", bitwidth=16, enabled=True),
                                            Override("bias_value_1:0", enabled=False)))

    found = {q.tensor: q for q in _build(branches, tmp_path, settings).quantizers}

    assert [(found[tensor].enabled, found[tensor].bitwidth) for tensor in ("bias_value_1:0", "bias_value_5:0")] \
        == [(False, 8), (True, 16)]


def test_what_aimet_exports_keeps_the_names_of_its_own_graph(branches: Branches, order: str, tmp_path: Path) -> None:
    found = _build(branches, tmp_path, replace(_BUILTIN, simulator=AIMET))

    stored = encodings_file.read(tmp_path / "export" / "model.encodings").all()
    mine = branches.quantization.encodings
    assert found.encodings == mine
    assert stored["bias_value_5:0" if order == stand_in.REVERSED else "bias_value_1:0"] == mine["bias_value_1:0"]


def _changed(branches: Branches, change: Callable[[tf.NodeDef], None]) -> Branches:
    graph = tf.GraphDef()
    graph.CopyFrom(branches.network.graph)
    for node in graph.node:
        change(node)
    return branches._replace(network=Network.of(graph, NAMES))


def _scale(node: tf.NodeDef) -> None:
    if node.name == "b/weights":
        node.CopyFrom(graph_nodes.const_node(node.name, 2 * tf.make_ndarray(node.attr["value"].tensor)))


def _rename_relu(node: tf.NodeDef) -> None:
    node.name = node.name.replace("c/Relu", "c/Other")
    node.input[:] = [name.replace("c/Relu", "c/Other") for name in node.input]


def _exchange_inputs(node: tf.NodeDef) -> None:
    """The relu is behind another branch."""
    if node.name == "c/Relu":
        node.input[0] = "bias_value_1"
    elif node.name == "end":
        node.input[:] = ["bias_value_5" if name == "bias_value_1" else name for name in node.input]


_CHANGES: Tuple[Tuple[Any, str], ...] = (
    (_scale, "AIMET's weights 'b/weights/read:0' are not those of 'b/weights/read:0' here: .*simulate aimet"),
    (_rename_relu, "AIMET quantizes 'c/Relu:0', Relu of 'c/Conv2D', .* which is not in the network"),
    (_exchange_inputs, "AIMET's 'c/Relu:0' is Relu of 'c/Conv2D', .*here 'c/Relu:0' is Relu of 'a/Conv2D', .*backend"),
)


@pytest.mark.parametrize(("change", "message"), _CHANGES, ids=["weights", "name", "inputs"])
def test_a_network_that_is_folded_otherwise_here_is_refused_with_the_tensors(branches: Branches, order: str,
                                                                             tmp_path: Path, change: Any,
                                                                             message: str) -> None:
    with pytest.raises(GraphError, match=message):
        _build(_changed(branches, change), tmp_path)


def test_weights_are_not_compared_where_aimet_runs_its_own(branches: Branches, order: str, tmp_path: Path) -> None:
    assert _build(_changed(branches, _scale), tmp_path, replace(_BUILTIN, simulator=AIMET)).encodings


def test_an_override_that_matches_no_tensor_here_is_refused(branches: Branches, order: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="bias_value_77"):
        _build(branches, tmp_path, replace(_BUILTIN, overrides=(Override("bias_value_77:0", bitwidth=4),)))
