"""Equalization as AIMET 1.19.1 does it, on a detector that the real one equalized."""

from typing import Tuple

import numpy as np
import pytest

from benchmarks.fidelity import Reference
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.repair.equalization import aimet, spaces
from quant_accuracy.repair.equalization.aimet import Equalized
from tests.support import repair

_AIMET = repair.document("equalized.json")
_VALUES = np.load(str(repair.FOLDER / "equalized.npz"), allow_pickle=False)


@pytest.fixture(scope="module")
def equalized(reference: Reference) -> Tuple[Network, Equalized]:
    network = Network(reference.folded.graph, repair.START, repair.OUTPUTS)
    return network, aimet.equalize(network, aimet.norms(reference.graph, reference.folded.folded))


def test_sets_are_those_of_aimet_and_where_it_stops_is_said(equalized: Tuple[Network, Equalized]) -> None:
    found = equalized[1]

    assert {item.layers: item.rectified for item in found.sets} \
        == {tuple(item["layers"]): tuple(item["relu_after"]) for item in _AIMET["sets"]}
    assert {item.layer for item in found.left} == {layers[0] for layers in _AIMET["left"]}
    assert all(layers[-1] in item.reason for item, layers in zip(
        sorted(found.left), sorted(_AIMET["left"])))


def test_factors_are_those_of_aimet(equalized: Tuple[Network, Equalized]) -> None:
    by_layers = {item.layers: item.factors for item in equalized[1].sets}

    for number, item in enumerate(_AIMET["sets"]):
        for pair, factors in enumerate(by_layers[tuple(item["layers"])]):
            # Where folding rounds is the only difference.
            np.testing.assert_allclose(factors, _VALUES[f"scale/{number}/{pair}"], rtol=1e-6)


def test_biases_are_those_of_aimet_before_and_after_absorption(equalized: Tuple[Network, Equalized]) -> None:
    network, found = equalized
    nodes = graph_nodes.by_name(found.graph)
    layers = spaces.find(network).layers
    absorbed = {key[len("final/bias/"):] for key in _VALUES.files if key.startswith("final/")}
    assert len(absorbed) == 2
    for key in _VALUES.files:
        kind, _, name = key.partition("/bias/")
        bias = layers[name].bias if name in layers else None
        if bias is None or (kind == "scaled" and name in absorbed):
            continue
        np.testing.assert_allclose(graph_nodes.constant(nodes, bias), _VALUES[key], rtol=2e-6, atol=2e-6)


def test_every_relu6_becomes_a_relu_and_nothing_else_changes_its_type(equalized: Tuple[Network, Equalized]) -> None:
    network, found = equalized
    types = {node.name: node.op for node in network.graph.node}

    changed = {node.name for node in found.graph.node if node.op != types[node.name]}

    assert changed == set(found.replaced) == {name for name, op in types.items() if op == "Relu6"}
