"""The smallest set with more bits: with measurements whose answers are known, and with a network's own noise."""

import itertools
from dataclasses import replace
from typing import Callable, FrozenSet, List, Sequence, Tuple

import numpy as np
import pytest

from quant_accuracy.base.bisection import Measured
from quant_accuracy.base.budget import Budget
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import Override, Quantization, Quantizer, Settings
from quant_accuracy.repair import cost, mixed_precision
from quant_accuracy.repair.mixed_precision import ACTIVATIONS, OPS, WEIGHTS, Choice, Found
from tests.conftest import Run
from tests.support.networks import random_images, small_quantized

_TENSORS = [f"t{number}" for number in range(9)]
_RANKED = [Choice(tensor, (tensor,), 1.0, 1.0) for tensor in _TENSORS]
_SMALL = small_quantized()
_NETWORK = Network.of(_SMALL.graph, _SMALL.names)


def _search(figure: Callable[[FrozenSet[str]], float], ranked: Sequence[Choice] = tuple(_RANKED), wanted: float = 0.5,
            seconds: float = 1e9) -> Tuple["Found[float]", List[FrozenSet[str]]]:
    """Search for a figure of at least `wanted`; each measurement takes 10 seconds."""
    asked: List[FrozenSet[str]] = []

    def measure(tensors: Sequence[str]) -> "Measured[float]":
        asked.append(frozenset(tensors))
        return Measured(figure(frozenset(tensors)), True)

    budget = Budget(seconds, lambda: 10.0 * len(asked))
    return mixed_precision.search(ranked, measure, lambda value: wanted - value, budget), asked


@pytest.mark.parametrize("needed", [*itertools.combinations(_TENSORS, 1), *itertools.combinations(_TENSORS, 2)])
def test_exactly_what_is_needed_is_found_wherever_it_is_ranked(needed: Tuple[str, ...]) -> None:
    found, asked = _search(lambda tensors: float(tensors >= set(needed)))

    assert found.best is not None
    assert found.best.chosen == needed
    assert found.smallest
    assert found.possible
    assert len(set(asked)) == len(asked)


def test_a_single_one_that_ranks_first_takes_two_measurements() -> None:
    _, asked = _search(lambda tensors: float("t0" in tensors))

    assert asked == [set(_TENSORS), {"t0"}]


def test_a_goal_that_is_out_of_reach_is_said_to_be_after_one_measurement() -> None:
    found, asked = _search(lambda tensors: 0.1 * len(tensors) / 9)

    assert found.best is None
    assert found.possible is False
    assert not found.smallest
    assert found.closest is not None
    assert found.closest.chosen == tuple(_TENSORS)
    assert len(asked) == 1


def test_when_time_runs_out_the_best_so_far_stands() -> None:
    found, asked = _search(lambda tensors: len(tensors) / 9, seconds=45.0)

    # All, 1, 2, 4; the next one does not fit.
    assert [len(tensors) for tensors in asked] == [9, 1, 2, 4]
    assert found.best is not None
    assert len(found.best.chosen) == 9
    assert found.possible
    assert not found.smallest
    assert _search(lambda tensors: 1.0, seconds=-1.0)[0].possible is None


def test_harm_for_each_bit_leads_to_a_set_of_fewer_bits() -> None:
    graph, quantizers = _SMALL.graph, _quantizers(4)
    sizes = cost.measure(_NETWORK, quantizers, "images", random_images(1)[0])
    first, deep, end = (layer.weights for layer in sizes.layers)
    harm = {quantizer.tensor: 0.0 for quantizer in quantizers}
    harm.update({first: 0.5, deep: 0.4, end: 0.3})

    by_harm, by_price = (mixed_precision.choices(graph, quantizers, WEIGHTS, harm, sizes, by_price)
                         for by_price in (False, True))
    bits = []
    for ranked in (by_harm, by_price):
        found, _ = _search(lambda tensors: sum(harm[tensor] for tensor in tensors), ranked, wanted=0.65)
        assert found.best is not None
        raised = _quantizers(4, *mixed_precision.overrides(quantizers, found.best.chosen))
        bits.append(cost.of(sizes, raised).weight_bits)

    assert [choice.name for choice in by_harm] == [first, deep, end]
    assert [choice.name for choice in by_price] == [end, deep, first]
    assert [choice.price for choice in by_harm] == [4 * 162, 4 * 54, 4 * 24]
    # Both depthwise and last, instead of the first with one of them.
    assert bits == pytest.approx([4 + 4 * (162 + 54) / 240, 4 + 4 * (54 + 24) / 240])


def test_an_op_is_a_layer_with_its_weights_and_the_activation_that_it_gives() -> None:
    quantizers = _quantizers(8)
    sizes = cost.measure(_NETWORK, quantizers, "images", random_images(1)[0])
    weights = {layer.name: layer.weights for layer in sizes.layers}

    ops = mixed_precision.choices(_SMALL.graph, quantizers, OPS, {item.tensor: 1.0 for item in quantizers}, sizes)
    activations = mixed_precision.choices(_SMALL.graph, quantizers, ACTIVATIONS,
                                          {item.tensor: 1.0 for item in quantizers}, sizes)

    assert {choice.name: set(choice.tensors) for choice in ops} == {
        "a/Conv2D": {weights["a/Conv2D"], "a/Relu6:0"}, "b/depthwise": {weights["b/depthwise"], "b/BiasAdd:0"},
        "middle": {"middle:0"}, "end": {weights["end"], "end:0"}}
    assert {choice.name: choice.price for choice in activations} == {
        "a/Relu6:0": 8 * 384, "b/BiasAdd:0": 8 * 384, "middle:0": 8 * 384, "end:0": 8 * 256}


@pytest.mark.parametrize(("bits", "more"), [(2, 8), (4, 8), (7, 8), (8, 16), (12, 16)])
def test_few_bits_become_8_and_8_become_16(bits: int, more: int) -> None:
    quantizers = _quantizers(bits)

    assert mixed_precision.overrides(quantizers, ["middle:0"]) == (Override("middle:0", bitwidth=more),)


@pytest.mark.parametrize("coarse", ["a/Relu6:0", "middle:0"])
def test_the_activation_at_3_bits_of_a_network_is_found_by_measuring_its_noise(coarse: str, run_graph: Run) -> None:
    images, settings = random_images(4), Settings(overrides=(Override(coarse, bitwidth=3),))
    quantizers = placement.place_quantizers(_NETWORK, settings)
    sizes = cost.measure(_NETWORK, quantizers, "images", images[0])
    outputs, feed = _SMALL.names.output_ops, {"images:0": np.concatenate(images)}
    floats = run_graph(_SMALL.graph, [f"{name}:0" for name in outputs], feed)

    def measure(tensors: Sequence[str]) -> "Measured[float]":
        changed = replace(settings, overrides=(*settings.overrides, *mixed_precision.overrides(quantizers, tensors)))
        placed = placement.place_quantizers(_NETWORK, changed)
        quantization: Quantization = calibrate.calibrate(_SMALL.graph, placed, changed, "images", images)
        fetches = simulate.network_outputs(outputs, quantization)
        found = run_graph(simulate.simulate(_SMALL.graph, quantization), fetches, feed)
        noise = sum(float(np.square(a - b).sum() / np.square(b).sum()) for a, b in zip(found, floats))
        return Measured(-10 * float(np.log10(noise)), True)

    harm = {item.tensor: -float(item.bitwidth) for item in quantizers}
    ranked = mixed_precision.choices(_SMALL.graph, quantizers, ACTIVATIONS, harm, sizes)[::-1]
    found = mixed_precision.search(ranked, measure, lambda value: 30.0 - value, Budget(1e9))

    assert measure([]).figures < 25.0
    assert found.best is not None
    assert found.best.chosen == (coarse,)
    assert found.smallest


def _quantizers(bits: int, *overrides: Override) -> List[Quantizer]:
    return placement.place_quantizers(_NETWORK, Settings(param_bitwidth=bits, output_bitwidth=bits,
                                                         overrides=tuple(overrides)))
