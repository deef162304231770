"""AIMET's quantizers on the graph that is folded here, whatever AIMET calls its tensors.

With a stand-in of AIMET that numbers new biases from the end: the network is folded, calibrated and named by this
project's code twice, and both have to agree.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Iterator, Tuple

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, encodings_file, loading, placement
from quant_accuracy.quantization.aimet import joining
from quant_accuracy.quantization.records import AIMET, BUILTIN, GENERATED, PARAM, Override, Quantization, Settings
from quant_accuracy.quantization.same_tensors import Tensors, with_shapes
from tests.support import stand_in, two_branches
from tests.support.aimet_stand_in.aimet_tensorflow.batch_norm_fold import renumbered
from tests.support.places import REFERENCE
from tests.support.two_branches import BATCHES, NAMES, Branches

_BUILTIN = Settings(backend=AIMET, simulator=BUILTIN)


@pytest.fixture(scope="module")
def branches(tmp_path_factory: Any) -> Branches:
    return two_branches.make(Path(tmp_path_factory.mktemp("branches")))


_REAL = "real"
_NETWORKS = sorted(path.name for path in (REFERENCE / "aimet_networks").iterdir() if path.is_dir())


@pytest.fixture(params=["", stand_in.REVERSED, pytest.param(_REAL, marks=pytest.mark.skipif(
    aimet.installed() is None, reason=f"AIMET is not installed (wheels: {aimet.WHEELS})"))],
    ids=["same order", "reversed", "real AIMET"])
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Iterator[str]:
    """The order in which AIMET numbers new biases."""
    if request.param == _REAL:
        yield _REAL
        return
    with stand_in.installed(monkeypatch, tmp_path_factory.mktemp("temporary")):
        monkeypatch.setenv(stand_in.ORDER, request.param)
        yield request.param


def _build(branches: Branches, folder: Path, settings: Settings = _BUILTIN) -> Quantization:
    return aimet.build(branches.prefix, branches.network, NAMES, settings, None, BATCHES, folder,
                       settings.simulator == AIMET)


def test_each_tensor_gets_its_own_encoding_whatever_aimet_calls_it(branches: Branches, order: str,
                                                                   tmp_path: Path) -> None:
    found = _build(branches, tmp_path)

    mine = branches.quantization.encodings
    assert set(found.encodings) == set(mine)
    for tensor, (encoding,) in found.encodings.items():
        assert (encoding.minimum, encoding.maximum) == pytest.approx((mine[tensor][0].minimum, mine[tensor][0].maximum),
                                                                     rel=1e-5), tensor
    assert [replace(q, rule="") for q in sorted(found.quantizers, key=lambda q: q.tensor)] \
        == [replace(q, rule="") for q in sorted(branches.quantization.quantizers, key=lambda q: q.tensor)]
    assert {q.rule for q in found.quantizers} == {"AIMET"}


def test_other_names_are_said(branches: Branches, order: str, tmp_path: Path, capsys: Any) -> None:
    if order == _REAL:
        pytest.skip("AIMET's own order may change")
    _build(branches, tmp_path)

    said = capsys.readouterr().err
    assert ("AIMET: 4 of its tensors have other names here, which are used from now on: its bias_value" in said) \
        == (order == stand_in.REVERSED)


def test_overrides_are_for_the_names_that_the_network_has_here(branches: Branches, order: str, tmp_path: Path) -> None:
    first, last = branches.added("a"), branches.added("c")
    settings = replace(_BUILTIN, overrides=(Override(last, bitwidth=16, enabled=True), Override(first, enabled=False)))

    found = {q.tensor: q for q in _build(branches, tmp_path, settings).quantizers}

    assert [(found[tensor].enabled, found[tensor].bitwidth) for tensor in (first, last)] \
        == [(False, 8), (True, 16)]


def test_what_aimet_exports_keeps_the_names_of_its_own_graph(branches: Branches, order: str, tmp_path: Path) -> None:
    found = _build(branches, tmp_path, replace(_BUILTIN, simulator=AIMET))

    stored = encodings_file.read(tmp_path / "export" / "model.encodings").all()
    theirs = {"": branches.added("a"), stand_in.REVERSED: branches.added("c")}
    assert order == _REAL or stored[theirs[order]] == found.encodings[branches.added("a")]
    graph = tf.MetaGraphDef.FromString((tmp_path / "export" / "model.meta").read_bytes()).graph_def
    there, here = Tensors(graph), Tensors(branches.network.graph)
    for quantizer in found.quantizers:
        if quantizer.enabled:
            param = quantizer.kind == PARAM
            biased = here.biased(quantizer.tensor, param)
            tensor = (biased and there.bias_of(biased, param)) or quantizer.tensor
            assert stored[tensor] == found.encodings[quantizer.tensor]


def test_an_export_of_aimets_loads_where_its_names_are_those_here_and_is_refused_otherwise(
        branches: Branches, order: str, tmp_path: Path) -> None:
    made = _build(branches, tmp_path, replace(_BUILTIN, simulator=AIMET))
    path = tmp_path / "export" / "model.encodings"
    settings = Settings(encodings_file=path)
    graph = tf.MetaGraphDef.FromString(path.with_name("model.meta").read_bytes()).graph_def
    alike = Tensors(graph).biased(branches.added("a"), False) == "a/Conv2D"

    assert order == _REAL or alike == (order != stand_in.REVERSED)
    if alike:
        assert loading.load(settings, made.quantizers, branches.network.graph) == made.encodings
    else:
        with pytest.raises(ConfigurationError, match="belongs to another network.*'[ac]/Conv2D'.*'[ac]/Conv2D'"):
            loading.load(settings, made.quantizers, branches.network.graph)


@pytest.mark.parametrize("name", _NETWORKS)
def test_networks_of_all_kinds_are_joined_whatever_the_numbers_of_their_biases(name: str) -> None:
    folder = REFERENCE / "aimet_networks" / name
    document = json.loads((folder / "aimet.json").read_text())
    starts, outputs = document["starting_ops"], document["output_ops"]
    folded = fold.fold_batch_norms(Network(load.load_frozen(folder / "model.ckpt", outputs), starts, outputs)).graph
    theirs, ours = Network(with_shapes(renumbered(folded)), starts, outputs), Network(folded, starts, outputs)

    found = joining.join(placement.place_quantizers(theirs, Settings()), theirs.graph, ours)

    wanted = {replace(q, rule="", covered=False) for q in placement.place_quantizers(ours, Settings())}
    assert {replace(item.ours, rule="", covered=False) for item in found} == wanted
    new = [q.tensor for q in wanted if GENERATED.match(q.tensor)]
    assert [item.ours.tensor != item.theirs.tensor for item in found].count(True) <= len(new)


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
        node.input[0] = "bias_value_3"
    elif node.name == "end":
        node.input[:] = [name.replace("bias_value_3", "c/Conv2D") for name in node.input]


_CHANGES: Tuple[Tuple[Any, str], ...] = (
    (_scale, "AIMET's weights 'b/weights/read:0' are not those of 'b/weights/read:0' here: .*simulate aimet"),
    (_rename_relu, "AIMET quantizes 'c/Relu:0', Relu of 'c/Conv2D', .* which is not in the network"),
    (_exchange_inputs, "AIMET's 'c/Relu:0' is Relu of 'c/Conv2D', .*here 'c/Relu:0' is Relu of 'b/Conv2D', .*backend"),
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
