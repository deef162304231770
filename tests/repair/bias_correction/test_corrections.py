"""Means of clipped channels and corrections of biases, against AIMET 1.19.1 and against sampling."""

from typing import Optional

import numpy as np
import pytest

from quant_accuracy.repair.bias_correction import corrections
from tests.support.places import REFERENCE

_AIMET = np.load(str(REFERENCE / "aimet_repair" / "bias_correction.npz"), allow_pickle=False)
_CASES = [(depthwise, clip) for depthwise in (False, True) for clip in (None, "Relu", "Relu6")]


@pytest.mark.parametrize("number", range(len(_CASES)))
def test_an_analytical_correction_is_that_of_aimet_to_float32_rounding(number: int) -> None:
    depthwise, clip = _CASES[number]
    weights, quantized, gamma, beta, bias, wanted = (_AIMET[f"analytic/{number}/{name}"]
                                                     for name in ("w", "wq", "gamma", "beta", "b", "b_out"))

    means = corrections.clipped_mean(beta, gamma, clip)
    found = corrections.corrected(bias, corrections.analytical_shift(weights, quantized, means, depthwise))

    assert found.dtype == np.float32
    # AIMET sums in float32: a rounding of what is summed, however much of it cancels.
    summed = corrections.analytical_shift(0 * weights, np.abs(quantized - weights), np.abs(means), depthwise)
    assert (np.abs(found - wanted) <= np.finfo(np.float32).eps * (summed + np.abs(bias))).all()


def test_an_empirical_correction_is_that_of_aimet_to_the_bit() -> None:
    of_float, quantized = (_AIMET[f"empirical/{name}"].astype(np.float64).mean(axis=(0, 1, 2, 3))
                           for name in ("ref", "quantized"))

    np.testing.assert_array_equal(corrections.corrected(_AIMET["empirical/b"], quantized - of_float),
                                  _AIMET["empirical/b_out"])


@pytest.mark.parametrize("clip", [None, "Relu", "Relu6"])
def test_the_mean_of_a_clipped_channel_is_that_of_many_samples(clip: Optional[str]) -> None:
    mean, deviation = np.array([-3.0, -0.5, 0.0, 2.0, 5.5, 9.0, 4.0]), np.array([1.0, -2.0, 1.5, 1.0, 1.0, -2.0, 9.0])
    samples = mean + deviation * np.random.RandomState(0).normal(size=[400_000, 1])
    clipped = np.clip(samples, *{None: (-np.inf, np.inf), "Relu": (0, np.inf), "Relu6": (0, 6)}[clip])

    found = corrections.clipped_mean(mean, deviation, clip)

    # Five standard errors.
    assert (np.abs(found - clipped.mean(axis=0)) < 5 * clipped.std(axis=0) / np.sqrt(len(samples)) + 1e-12).all()


@pytest.mark.parametrize("clip", ["Relu", "Relu6"])
def test_a_channel_that_is_constant_has_the_mean_that_it_is(clip: str) -> None:
    mean = np.array([-2.0, 0.0, 3.0, 8.0])

    np.testing.assert_allclose(corrections.clipped_mean(mean, np.zeros(4), clip),
                               np.clip(mean, 0, 6 if clip == "Relu6" else None), atol=1e-12)


def test_outputs_of_a_depthwise_layer_with_a_multiplier_are_shifted_by_their_own_input() -> None:
    error = np.zeros([1, 1, 2, 3], np.float32)
    error[0, 0] = [[1, 2, 3], [4, 5, 6]]

    found = corrections.analytical_shift(np.zeros_like(error), error, np.array([10.0, 100.0]), True)

    np.testing.assert_array_equal(found, [10, 20, 30, 400, 500, 600])
