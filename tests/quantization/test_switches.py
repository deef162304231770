"""Switches give the simulation of any set of quantizers."""

from typing import List, Sequence, Set, Tuple

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images, shards
from quant_accuracy.quantization import simulate, switches
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.why.noise import QuantizedGraph
from tests.conftest import Run
from tests.support.networks import outputs_of, random_images, simulated, small_quantized

_OUTPUTS = ["concat:0", "concat_1:0"]


@pytest.fixture(scope="module")
def network() -> QuantizedGraph:
    return small_quantized()


def test_any_set_of_switches_gives_the_simulation_of_that_set_to_the_last_bit(network: QuantizedGraph,
                                                                              run_graph: Run) -> None:
    graph = switches.insert_switches(network.graph, network.quantization)
    tensors = [quantizer.tensor for quantizer in network.measured()]
    outputs = simulate.network_outputs(network.names.output_ops, network.quantization)
    picture = random_images(1)[0]
    sets: List[Set[str]] = [set(), set(tensors), *({tensor} for tensor in tensors)]
    for seed in range(5):
        sets.append(set(np.array(tensors)[np.random.RandomState(seed).uniform(size=len(tensors)) < 0.5].tolist()))

    for off in sets:
        found = run_graph(graph, outputs, {"images:0": picture, **switches.all_but(network.quantization, off)})
        wanted = run_graph(simulated(network, lambda tensor, off=off: tensor not in off),  # type: ignore[misc]
                           outputs_of(network, lambda tensor, off=off: tensor not in off),  # type: ignore[misc]
                           {"images:0": picture})
        for a, b in zip(found, wanted):
            np.testing.assert_array_equal(a, b)


def test_all_on_and_all_off_are_the_demos_two_variants_to_the_last_bit(demo: DataPaths, demo_artifacts: Artifacts,
                                                                      run_graph: Run) -> None:
    picture = images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 1, 300, 300)[0]
    quantization, names = demo_artifacts.quantization, ("concat", "concat_1")
    graph = switches.insert_switches(demo_artifacts.graph(FLOAT), quantization)
    outputs = simulate.network_outputs(names, quantization)

    everything = {quantizer.tensor for quantizer in quantization.enabled()}
    ways: List[Tuple[str, Set[str], Sequence[str]]] = [(QUANTIZED, set(), outputs), (FLOAT, everything, _OUTPUTS)]
    for variant, off, own in ways:
        found = run_graph(graph, outputs, {"image_tensor:0": picture, **switches.all_but(quantization, off)})
        wanted = run_graph(demo_artifacts.graph(variant), own, {"image_tensor:0": picture})
        for a, b in zip(found, wanted):
            np.testing.assert_array_equal(a, b)


def test_a_switch_that_does_not_exist_is_named(network: QuantizedGraph) -> None:
    with pytest.raises(GraphError, match="'?nowhere:0'? has no enabled quantizer"):
        switches.all_but(network.quantization, ["nowhere:0"])
