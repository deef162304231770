"""Means of channels over images."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import DataError
from quant_accuracy.repair.bias_correction import channel_sums


def test_means_are_those_of_all_values_of_a_channel_whatever_the_sizes_of_batches() -> None:
    batches = [np.random.RandomState(seed).normal(size=[count, side, side, 3]).astype(np.float32)
               for seed, (count, side) in enumerate([(1, 4), (3, 2), (2, 5)])]
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float32, [None, None, None, 3], name="images")
    wanted = np.concatenate([batch.reshape(-1, 3) for batch in batches]).mean(axis=0, dtype=np.float64)

    found = channel_sums.means(graph.as_graph_def(), {"images": 3}, [{"images:0": batch} for batch in batches], "it")

    np.testing.assert_allclose(found["images"], wanted, rtol=1e-12)
    np.testing.assert_allclose(channel_sums.means_of("images:0", batches), wanted, rtol=1e-12)


def test_means_of_half_precision_are_taken_in_double_precision() -> None:
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float16, [None, 2], name="halves")
    values = np.array([[2048.0, 1.0], [1.0, 2.0]], np.float16)

    found = channel_sums.means(graph.as_graph_def(), {"halves": 2}, [{"halves:0": values}], "it")

    assert found["halves"].tolist() == [1024.5, 1.5]


def test_a_channel_that_is_no_number_is_an_error_that_names_its_tensor() -> None:
    with pytest.raises(DataError, match=r"deep/BiasAdd:0 is NaN or infinite on the calibration images; a weight"):
        channel_sums.means_of("deep/BiasAdd:0", [np.array([[1.0, np.nan]], np.float32)])
