"""The noise of each quantizer at the network's outputs."""

import math
from typing import Callable, Sequence

import numpy as np
import pytest

from quant_accuracy.quantization.encodings import quantize_dequantize
from quant_accuracy.why import noise, sensitivity
from quant_accuracy.why.noise import QuantizedGraph
from tests.conftest import Run
from tests.support.networks import outputs_of, random_images, simulated, small_quantized


@pytest.fixture(scope="module")
def network() -> QuantizedGraph:
    return small_quantized()


def test_noise_is_that_of_a_graph_built_for_each_setting(network: QuantizedGraph, run_graph: Run) -> None:
    """An independent way: no switches, a graph for each setting, numpy for the tensors' own noise."""
    picture = random_images(1)[0]
    feed = {"images:0": picture}

    def outputs(on: Callable[[str], bool]) -> Sequence[np.ndarray]:
        return run_graph(simulated(network, on), outputs_of(network, on), feed)

    def ratio(on: Callable[[str], bool]) -> float:
        return float(np.mean([((a - b) ** 2).sum(dtype=np.float64) / (b ** 2).sum(dtype=np.float64)
                              for a, b in zip(outputs(on), outputs(lambda _: False))]))

    with noise.listening(network) as listener:
        found = sensitivity.summarize(network, listener.measure(picture, noise.singles(network), lambda: None), 1, 1)

    all_on = ratio(lambda _: True)
    assert found.all_on == pytest.approx(-10 * math.log10(all_on), abs=1e-4)
    assert {item.tensor for item in found.quantizers} == {q.tensor for q in network.measured()}
    for item in found.quantizers:
        only_on = ratio(lambda tensor, own=item.tensor: tensor == own)  # type: ignore[misc]
        only_off = ratio(lambda tensor, own=item.tensor: tensor != own)  # type: ignore[misc]
        values = run_graph(network.graph, [item.tensor], feed)[0]
        error = quantize_dequantize(values, network.quantization.encodings[item.tensor][0]).astype(np.float64) - values
        assert item.sqnr == pytest.approx(-10 * math.log10((error ** 2).sum() / (values.astype(float) ** 2).sum()),
                                          abs=1e-3)
        assert item.only_on == pytest.approx(-10 * math.log10(only_on), abs=1e-4)
        assert item.only_off == pytest.approx(-10 * math.log10(only_off), abs=1e-4)
        assert item.blame == pytest.approx((only_on + all_on - only_off) / 2, rel=1e-4)
    assert [item.blame for item in found.quantizers] == sorted((item.blame for item in found.quantizers), reverse=True)
