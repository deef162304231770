"""The noise of all quantizers over images: what is kept, and when it ends."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

import numpy as np
import pytest

from quant_accuracy.base.budget import Budget
from quant_accuracy.quantization.records import PARAM
from quant_accuracy.why import noise, sensitivity
from quant_accuracy.why.noise import Noise, QuantizedGraph
from quant_accuracy.why.sensitivity import Sensitivities
from tests.conftest import Run
from tests.support.networks import outputs_of, random_images, simulated, small_quantized


@pytest.fixture(scope="module")
def network() -> QuantizedGraph:
    return small_quantized()


def test_a_network_without_quantizers_has_none_to_blame(network: QuantizedGraph, tmp_path: Path) -> None:
    off = [replace(quantizer, enabled=False) for quantizer in network.quantization.quantizers]
    without = network._replace(quantization=replace(network.quantization, quantizers=off))

    found = _measure(without, random_images(2), tmp_path)

    assert list(found.quantizers) == []
    assert found.all_on is None


def _places(folder: Path) -> Callable[[int], Path]:
    return lambda index: folder / f"{index}.npz"


def _measure(network: QuantizedGraph, pictures: Sequence[np.ndarray], folder: Path,
             budget: Optional[Budget] = None) -> Sensitivities:
    with noise.listening(network) as listener:
        return sensitivity.measure(listener, pictures, _places(folder), budget)


def _times(folder: Path) -> Mapping[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}


def test_a_measurement_that_ran_out_of_time_goes_on_with_the_images_that_are_missing(network: QuantizedGraph,
                                                                                     tmp_path: Path) -> None:
    whole = _measure(network, random_images(3), tmp_path / "whole")
    part = _measure(network, random_images(3), tmp_path / "parts", Budget(0.0))
    first = _times(tmp_path / "parts")
    rest = _measure(network, random_images(3), tmp_path / "parts")

    assert (part.images, part.wanted) == (1, 3)
    assert rest == whole
    assert whole.images == 3
    assert list(first) == ["0.npz"]
    assert _times(tmp_path / "parts")["0.npz"] == first["0.npz"]


def test_damaged_noise_of_an_image_is_measured_again_with_a_warning(network: QuantizedGraph, tmp_path: Path,
                                                                    capsys: pytest.CaptureFixture) -> None:
    before = _measure(network, random_images(2), tmp_path)
    damaged = tmp_path / "1.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])

    assert _measure(network, random_images(2), tmp_path) == before
    assert f"warning: {damaged}" in capsys.readouterr().err


def test_images_are_looked_at_until_the_most_harmful_ones_keep_their_order(network: QuantizedGraph,
                                                                           tmp_path: Path) -> None:
    pictures = random_images(24)
    found = _measure(network, pictures, tmp_path)
    again = _measure(network, pictures, tmp_path)

    assert found.stable
    assert 4 <= found.images < found.wanted == 24
    # What is kept gives the same answer, and so do these images alone, whatever they are many of.
    assert again == found
    orders = [[item.tensor for item in _measure(network, pictures[:count], tmp_path).quantizers[:4]]
              for count in range(1, found.images + 1)]
    assert all(order == orders[-1] for order in orders[-4:])
    assert not any(all(order == orders[last] for order in orders[last - 3:last]) for last in range(3, found.images - 1))


def test_an_image_that_does_not_fit_into_the_time_is_not_begun(network: QuantizedGraph, tmp_path: Path) -> None:
    """Each image seems to take a minute: two fit into two minutes and a half."""
    now = [0.0]
    with noise.listening(network) as listener:
        measure = listener.measure

        def slow(image: np.ndarray, groups: Sequence[Sequence[str]], ran: Callable[[], object]) -> Noise:
            found = measure(image, groups, ran)
            now[0] += 60.0
            listener.seconds = 60.0 / noise.runs(groups)
            return found

        listener.measure = slow  # type: ignore[assignment]
        found = sensitivity.measure(listener, random_images(3), _places(tmp_path), Budget(150.0, lambda: now[0]))

    assert (found.images, found.stable) == (2, False)


def test_noise_of_a_group_is_that_of_its_quantizers_switched_together(network: QuantizedGraph, run_graph: Run,
                                                                      tmp_path: Path) -> None:
    picture = random_images(1)[0]
    groups = [[q.tensor for q in network.measured() if (q.kind == PARAM) == params] for params in (True, False)]
    with noise.listening(network) as listener:
        found = sensitivity.of_groups(listener, groups, [picture], _places(tmp_path))

    def ratio(on: Callable[[str], bool]) -> float:
        pair = [run_graph(simulated(network, which), outputs_of(network, which), {"images:0": picture})
                for which in (on, lambda _: False)]
        return float(np.mean([((a - b) ** 2).sum(dtype=np.float64) / (b ** 2).sum(dtype=np.float64)
                              for a, b in zip(*pair)]))

    for group, effect in zip(groups, found):
        only_on, only_off = ratio(lambda t, g=group: t in g), ratio(lambda t, g=group: t not in g)  # type: ignore[misc]
        assert effect.only_on == pytest.approx(-10 * math.log10(only_on), abs=1e-4)
        assert effect.only_off == pytest.approx(-10 * math.log10(only_off), abs=1e-4)
        assert effect.blame == pytest.approx((only_on + ratio(lambda _: True) - only_off) / 2, rel=1e-4)
