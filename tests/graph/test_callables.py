"""A step of a session as a function."""

from concurrent.futures import ThreadPoolExecutor
from typing import Iterator

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import callables, sessions


@pytest.fixture(scope="module")
def session() -> Iterator[tf.Session]:
    with tf.Graph().as_default() as graph:
        left, right = (tf.placeholder(tf.float32, [None, None], name=name) for name in ("left", "right"))
        tf.matmul(left, right, name="product")
        tf.strings.join([tf.placeholder(tf.string, [], name="word"), "!"], name="loud")
    with sessions.session_of(graph, callables.in_this_thread()) as opened:
        yield opened


def test_it_gives_what_a_run_gives(session: tf.Session) -> None:
    call = callables.make(session, ["product:0"], ["left:0", "right:0"])
    left, right = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones([3, 2], np.float32)

    (product,) = call(left, right)

    assert np.array_equal(product, session.run("product:0", {"left:0": left, "right:0": right}))


def test_what_is_fed_is_converted(session: tf.Session) -> None:
    (product,) = callables.make(session, ["product:0"], ["left:0", "right:0"])([[1, 2]], np.ones([2, 1], np.float64))

    assert product.dtype == np.float32
    assert product.tolist() == [[3.0]]
    assert callables.make(session, ["loud:0"], ["word:0"])(b"a\0b") == [b"a\0b!"]


def test_threads_may_share_it(session: tf.Session) -> None:
    call = callables.make(session, ["product:0"], ["left:0", "right:0"])
    factors = [np.full([1, 1], number, np.float32) for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda factor: call(factor, factor)[0].item(), factors))

    assert found == [number ** 2 for number in range(200)]


def test_an_error_names_the_op_that_fails(session: tf.Session) -> None:
    call = callables.make(session, ["product:0"], ["left:0", "right:0"])

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        call(np.ones([1, 2], np.float32), np.ones([3, 1], np.float32))

    assert caught.value.node_def.name == "product"
