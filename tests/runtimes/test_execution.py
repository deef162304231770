"""Every runtime computes a graph as TensorFlow's own session does, and the same every time."""

from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import GraphError, UnsupportedError
from quant_accuracy.base.words import OPENVINO
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.execution import Execution, open_graph, preprocessing_table
from tests.conftest import Run
from tests.support import runtimes
from tests.support.runtimes import FETCHES, SIDE


@pytest.fixture(params=runtimes.EVERY)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _execution(name: str, fixed: bool = True) -> Execution:
    return Execution(choice.of_name(name), ["start"], ["out"], fixed)


def _close(found: List[np.ndarray], wanted: List[np.ndarray]) -> None:
    for one, other in zip(found, wanted):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(other).max())))


def test_tensors_before_in_and_behind_the_network_are_those_of_tensorflow(runtime: str, run_graph: Run) -> None:
    graph = runtimes.detector_like()

    with open_graph(_execution(runtime), graph, FETCHES, "the graph") as run:
        for batch in (1, 3, 1, 2):
            (images,) = runtimes.images(1, batch)
            _close(run({"images:0": images}), list(run_graph(graph, FETCHES, {"images:0": images})))


def test_images_of_any_size_are_taken_where_the_size_is_not_fixed(runtime: str, run_graph: Run) -> None:
    with tf.Graph().as_default() as built:
        start = tf.identity(tf.cast(tf.placeholder(tf.uint8, [1, None, None, 3], name="images"), tf.float32),
                            name="start")
        tf.reduce_mean(tf.nn.conv2d(start, runtimes.values(3, 3, 3, 4), 2, "SAME"), axis=[1, 2], name="out")
    graph = built.as_graph_def()

    with open_graph(_execution(runtime, fixed=False), graph, ["out:0"], "the graph") as run:
        for side in (9, 16, 9, 31):
            (images,) = runtimes.images(1, side=side)
            _close(run({"images:0": images}), list(run_graph(graph, ["out:0"], {"images:0": images})))


def test_networks_that_start_and_end_in_several_ops_are_fed_and_fetched_by_name(runtime: str, run_graph: Run) -> None:
    with tf.Graph().as_default() as built:
        large, small = (tf.placeholder(tf.float32, [1, side, side, 3], name=name)
                        for name, side in (("large", 16), ("small", 8)))
        halved = tf.nn.max_pool2d(tf.nn.conv2d(large, runtimes.values(3, 3, 3, 5), 1, "SAME"), 2, 2, "SAME")
        joined = tf.concat([halved, tf.nn.conv2d(small, runtimes.values(3, 3, 3, 2), 1, "SAME")], -1, name="joined")
        tf.reduce_sum(joined, [1, 2], name="sum")
    graph, random = built.as_graph_def(), np.random.RandomState(0)
    feed = {"small:0": random.normal(size=[1, 8, 8, 3]).astype(np.float32),
            "large:0": random.normal(size=[1, 16, 16, 3]).astype(np.float32)}
    execution = Execution(choice.of_name(runtime), ["large", "small"], ["joined", "sum"])

    for fetches in (["joined:0", "sum:0"], ["sum:0", "joined:0"]):
        with open_graph(execution, graph, fetches, "the graph") as run:
            _close(run(feed), list(run_graph(graph, fetches, feed)))


def test_values_are_the_same_to_the_last_bit_on_any_number_of_threads(runtime: str) -> None:
    graph, pictures = runtimes.detector_like(), runtimes.images(8)
    found: Dict[int, List[List[bytes]]] = {}
    for threads in (1, 2):
        with concurrency.limited_to(threads), open_graph(_execution(runtime), graph, FETCHES, "the graph") as run, \
                ThreadPoolExecutor(4) as pool:
            found[threads] = [[value.tobytes() for value in values]
                              for values in pool.map(lambda images: run({"images:0": images}), pictures * 4)]

    assert found[1] == found[2]
    assert found[1][:8] * 4 == found[1]


@pytest.mark.parametrize("bits", [2, 4, 8, 12, 16])
def test_a_quantized_tensor_is_on_the_grid_of_its_encoding_with_any_number_of_bits(runtime: str, bits: int,
                                                                                  run_graph: Run) -> None:
    top = 2 ** bits - 1
    scale = 2.0 / top
    zero = top // 3
    graph = runtimes.network(lambda start: tf.quantization.fake_quant_with_min_max_args(
        start, -scale * zero, scale * (top - zero), bits))
    images = runtimes.images(1)[0]
    (start,) = run_graph(graph, ["start:0"], {"images:0": images})
    position = start.astype(np.float64) / np.float32(scale)

    with open_graph(Execution(choice.of_name(runtime), ["start"], ["end"]), graph, ["end:0"], "the graph") as run:
        (found,) = run({"images:0": images})

    # Float32 knows the position on a grid of 16 bits to a few thousandths of a step; ties may fall either way.
    sure = np.abs(position - np.floor(position) - 0.5) > 1e-2
    wanted = np.clip(np.rint(position), -zero, top - zero)
    assert sure.mean() > 0.9
    np.testing.assert_allclose((found / scale)[sure], wanted[sure], atol=1e-2)


def test_openvino_quantizes_in_float32_and_not_with_integer_kernels(run_graph: Run) -> None:
    def build(start: tf.Tensor) -> tf.Tensor:
        quantized = tf.quantization.fake_quant_with_min_max_args(start, -1.0, 255 / 256 * 2 - 1.0 + 1 / 256, 8)
        weights = np.random.RandomState(0).normal(size=[3, 3, 3, 8])
        on_grid = np.round(weights * 32).clip(-128, 127) / 32
        convolved = tf.nn.relu(tf.nn.conv2d(quantized, tf.constant(on_grid, tf.float32), 1, "SAME"))
        return tf.quantization.fake_quant_with_min_max_args(convolved, 0.0, 12.75, 8)

    graph, images = runtimes.network(build), runtimes.images(1)[0]
    (wanted,) = run_graph(graph, ["end:0"], {"images:0": images})

    with open_graph(Execution(choice.of_name(OPENVINO), ["start"], ["end"]), graph, ["end:0"], "the graph") as run:
        (found,) = run({"images:0": images})

    # A sum that lies on the border of two steps to the last bit of float32 may fall either way.
    assert (np.abs(found - wanted) > 1e-3).mean() < 0.002


def test_an_op_that_openvino_does_not_know_is_named_with_what_to_do() -> None:
    graph = runtimes.network(lambda start: tf.math.betainc(tf.abs(start), tf.abs(start), tf.constant(0.5), name="odd"))

    execution = Execution(choice.of_name(OPENVINO), ["start"], ["end"])

    with open_graph(execution, graph, ["end:0"], "the float graph") as run, \
            pytest.raises(UnsupportedError, match=r"the float graph: OpenVINO \d.*does not take the op Betainc 'odd'; "
                                                  "use --runtime tensorflow"):
        run({"images:0": runtimes.images(1)[0]})


def test_a_start_that_is_missing_is_named() -> None:
    execution = Execution(choice.of_name(OPENVINO), ["begin"], ["out"])

    with pytest.raises(GraphError, match="the graph has no op 'begin'"), \
            open_graph(execution, runtimes.detector_like(), ["out:0"], "the graph"):
        pass


def test_preprocessing_by_its_table_gives_the_same_values_to_the_last_bit() -> None:
    graph, execution = runtimes.detector_like(), _execution(OPENVINO)
    table = preprocessing_table(graph, execution, "images", SIDE, SIDE)
    assert table is not None
    np.testing.assert_allclose(table, np.arange(256) / 127.5 - 1, atol=1e-6)
    by_table = Execution(execution.runtime, execution.starts, execution.outputs, table=table)

    with open_graph(execution, graph, ["out:0"], "") as run, open_graph(by_table, graph, ["out:0"], "") as quick:
        for images in runtimes.images(3, batch=2):
            np.testing.assert_array_equal(run({"images:0": images})[0], quick({"images:0": images})[0])


def test_a_table_is_not_used_where_preprocessing_gives_more_than_the_networks_input() -> None:
    graph, execution = runtimes.detector_like(), _execution(OPENVINO)
    # Wrong on purpose: it must not be asked.
    wrong = Execution(execution.runtime, execution.starts, execution.outputs, table=np.zeros(256, np.float32))
    (images,) = runtimes.images(1)

    with open_graph(execution, graph, FETCHES, "") as run, open_graph(wrong, graph, FETCHES, "") as other:
        for one, two in zip(run({"images:0": images}), other({"images:0": images})):
            np.testing.assert_array_equal(one, two)
