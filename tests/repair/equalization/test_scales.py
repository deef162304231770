"""Factors and absorption against AIMET 1.19.1 on fixed small tensors: pairs, triples, dead channels, no bias."""

from typing import Tuple

import numpy as np
import pytest

from quant_accuracy.repair.equalization import kernels, scales
from tests.support import repair

_V = repair.VECTORS
_ROUNDING = {"rtol": 5e-7, "atol": 0}


@pytest.mark.parametrize("number", range(4))
def test_a_pair_is_scaled_as_aimet_scales_it(number: int) -> None:
    key = f"cls/pair{number}/"
    first, last = _V[key + "w1"], _V[key + "w2"]

    factors = scales.of_pair(kernels.ranges(first, (3,)), kernels.ranges(last, (2,)))

    assert factors.dtype == np.float32
    np.testing.assert_allclose(factors, _V[key + "scale"], **_ROUNDING)
    np.testing.assert_allclose(kernels.scaled(first, (3,), 1 / factors), _V[key + "w1_out"], **_ROUNDING)
    np.testing.assert_allclose(kernels.scaled(last, (2,), factors), _V[key + "w2_out"], **_ROUNDING)
    if key + "b1" in _V:
        np.testing.assert_allclose(_V[key + "b1"] * (1 / factors), _V[key + "b1_out"], **_ROUNDING)


@pytest.mark.parametrize("number", range(4))
def test_a_triple_is_scaled_as_aimet_scales_it(number: int) -> None:
    key = f"cls/triple{number}/"
    first, middle, last = (_V[f"{key}w{part}"] for part in (1, 2, 3))

    before, behind = scales.of_triple(kernels.ranges(first, (3,)), kernels.ranges(middle, (2, 3)),
                                      kernels.ranges(last, (2,)))

    np.testing.assert_allclose(before, _V[key + "scale12"], **_ROUNDING)
    np.testing.assert_allclose(behind, _V[key + "scale23"], **_ROUNDING)
    np.testing.assert_allclose(kernels.scaled(first, (3,), 1 / before), _V[key + "w1_out"], **_ROUNDING)
    np.testing.assert_allclose(kernels.scaled(kernels.scaled(middle, (2,), before), (2, 3), 1 / behind),
                               _V[key + "w2_out"], **_ROUNDING)
    np.testing.assert_allclose(kernels.scaled(last, (2,), behind), _V[key + "w3_out"], **_ROUNDING)


def test_a_channel_without_weights_in_one_layer_keeps_its_scale() -> None:
    one, none = np.array([4, 0, 9], np.float32), np.array([1, 5, 0], np.float32)

    assert scales.of_pair(one, none).tolist() == [2, 1, 1]
    assert [part.tolist()[1:] for part in scales.of_triple(one, np.ones(3, np.float32), none)] == [[1, 1], [1, 1]]


@pytest.mark.parametrize(("number", "axes", "rectified"), [
    (0, kernels.CONVOLUTION, True), (1, kernels.CONVOLUTION, False),
    (2, kernels.DEPTHWISE, True), (3, kernels.DEPTHWISE, False)])
def test_biases_are_absorbed_as_aimet_absorbs_them(number: int, axes: kernels.Axes, rectified: bool) -> None:
    key = f"absorb/{number}/"

    moved = scales.absorbed(_V[key + "gamma"], _V[key + "beta"], rectified)

    np.testing.assert_allclose(_V[key + "b1"] - moved, _V[key + "b1_out"], rtol=5e-7, atol=1e-7)
    np.testing.assert_allclose(_V[key + "b2"] + kernels.summed(_V[key + "w2"], axes, moved), _V[key + "b2_out"],
                               rtol=5e-7, atol=4e-6)


@pytest.mark.parametrize(("op", "shape", "outputs", "inputs"), [
    ("Conv2D", (3, 2, 4, 6), 6, 4), ("DepthwiseConv2dNative", (3, 3, 4, 2), 8, 4),
    ("Conv2DBackpropInput", (2, 2, 5, 3), 5, 3), ("MatMul", (7, 3), 3, 7)])
def test_ranges_and_scaling_go_by_the_channels_of_each_kind_of_layer(op: str, shape: Tuple[int, ...], outputs: int,
                                                                     inputs: int) -> None:
    kernel = np.random.RandomState(0).normal(size=shape)
    axes = kernels.BY_OP[op]
    out, into = np.arange(1.0, outputs + 1), np.arange(1.0, inputs + 1)

    changed = kernels.scaled(kernels.scaled(kernel, axes.outputs, 1 / out), axes.inputs, into)

    np.testing.assert_allclose(kernels.ranges(kernels.scaled(kernel, axes.outputs, out), axes.outputs),
                               kernels.ranges(kernel, axes.outputs) * out)
    np.testing.assert_allclose(kernels.ranges(kernels.scaled(kernel, axes.inputs, into), axes.inputs),
                               kernels.ranges(kernel, axes.inputs) * into)
    depthwise = op == "DepthwiseConv2dNative"
    np.testing.assert_allclose(kernels.magnitudes(changed, axes), kernels.magnitudes(kernel, axes) * into[:, np.newaxis]
                               / out.reshape((4, 2) if depthwise else (1, -1)))
