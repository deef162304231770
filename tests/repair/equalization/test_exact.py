"""Factors iterated until nothing moves."""

from typing import List

import numpy as np

from quant_accuracy.repair.equalization import exact, kernels, scales
from quant_accuracy.repair.equalization.exact import Bounds, Kernel

_RANDOM = np.random.RandomState(0)


def _free(channels: int) -> Bounds:
    return Bounds([], np.zeros(channels), np.zeros(channels, bool))


def _triple(spread: float = 0.0) -> List[Kernel]:
    """Expansion, depthwise and projection, the channels between scaled by up to e^spread with the inverse behind."""
    random = np.random.RandomState(1)
    first, middle, last = random.normal(size=(1, 1, 3, 8)), random.normal(size=(3, 3, 8, 1)), \
        random.normal(size=(1, 1, 8, 5))
    before, behind = np.exp(random.uniform(-spread, spread, size=(2, 8)))
    middle = kernels.scaled(middle, (2,), behind / before)
    return [exact.kernel(kernels.scaled(first, (3,), before), kernels.CONVOLUTION, None, 0),
            exact.kernel(middle, kernels.DEPTHWISE, 0, 1),
            exact.kernel(kernels.scaled(last, (2,), 1 / behind), kernels.CONVOLUTION, 1, None)]


def test_a_pair_gets_the_factors_of_nagel_but_for_one_number_for_all_channels() -> None:
    first, last = _RANDOM.normal(size=(3, 3, 4, 6)), _RANDOM.normal(size=(1, 1, 6, 5))

    found = exact.solve([exact.kernel(first, kernels.CONVOLUTION, None, 0),
                         exact.kernel(last, kernels.CONVOLUTION, 0, None)], [_free(6)])

    expected = scales.of_pair(kernels.ranges(first, (3,)), kernels.ranges(last, (2,)))
    np.testing.assert_allclose(found.factors[0] / found.factors[0][0], expected / expected[0], rtol=1e-5)


def test_in_a_triple_all_three_ranges_of_a_channel_have_one_share() -> None:
    layers = _triple()

    found = exact.solve(layers, [_free(8), _free(8)])

    before, behind = found.factors
    ranges = [layers[0].magnitudes.max(axis=0) / before, layers[1].magnitudes[:, 0] * before / behind,
              layers[2].magnitudes.max(axis=1) * behind]
    shares = [values / values.max() for values in ranges]
    np.testing.assert_allclose(shares[0], shares[1], rtol=1e-4)
    np.testing.assert_allclose(shares[1], shares[2], rtol=1e-4)
    assert found.moved <= exact.STILL


def test_however_badly_a_network_was_scaled_its_channels_come_back_the_same() -> None:
    def shares(spread: float) -> np.ndarray:
        layers = _triple(spread)
        factors = exact.solve(layers, [_free(8), _free(8)]).factors
        values = layers[1].magnitudes[:, 0] * factors[0] / factors[1]
        return np.asarray(values / values.max())

    np.testing.assert_allclose(shares(4.0), shares(0.0), rtol=1e-3)


def test_an_activation_counts_as_a_tensor_that_the_channel_is_written_to() -> None:
    first = np.ones((1, 1, 2, 2))
    first[..., 1] = 1 / 16
    layers = [exact.kernel(first, kernels.CONVOLUTION, None, 0),
              exact.kernel(np.ones((1, 1, 2, 2)), kernels.CONVOLUTION, 0, None)]

    (of_weights,) = exact.solve(layers, [_free(2)]).factors
    (of_both,) = exact.solve(layers, [Bounds([np.array([6.0, 6.0])], np.zeros(2), np.zeros(2, bool))]).factors

    # By its weights the second channel would grow four times, and with it the range of the activation.
    np.testing.assert_allclose(of_weights[0] / of_weights[1], 4)
    np.testing.assert_allclose(of_both[0] / of_both[1], 1)


def test_channels_that_are_fixed_stay_and_no_factor_is_below_its_bound() -> None:
    layers = _triple(4.0)
    fixed = np.arange(8) % 2 == 0
    bounds = Bounds([], np.where(fixed, 0, 3.0), fixed)

    (before, _) = exact.solve(layers, [bounds, _free(8)]).factors

    assert (before[fixed] == 1).all()
    assert (before[~fixed] >= 3).all()


def test_a_channel_that_nothing_reads_keeps_its_scale() -> None:
    last = np.ones((1, 1, 3, 2))
    last[:, :, 1] = 0

    found = exact.solve([exact.kernel(np.full((1, 1, 1, 3), 7.0), kernels.CONVOLUTION, None, 0),
                         exact.kernel(last, kernels.CONVOLUTION, 0, None)], [_free(3)])

    assert found.factors[0][1] == 1
    assert found.moved <= exact.STILL
