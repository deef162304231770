"""Products of matrices on one thread."""

from typing import List

import numpy as np
import threadpoolctl

from quant_accuracy.base import blas


def _computed() -> List[bytes]:
    random = np.random.RandomState(0)
    values = random.randn(450, 201)
    square = values.T @ values
    return [square.tobytes(), (values @ square).tobytes(), np.linalg.inv(square).tobytes(),
            np.linalg.cholesky(square).tobytes()]


def _threads() -> List[int]:
    return [found["num_threads"] for found in threadpoolctl.threadpool_info() if found["user_api"] == "blas"]


def test_products_and_inverses_do_not_depend_on_how_many_threads_there_are_outside() -> None:
    found = []
    for threads in (1, 2, 3):
        with threadpoolctl.threadpool_limits(threads, "blas"), blas.one_thread():
            # A BLAS that is not known is not set: Apple's.
            assert set(_threads()) <= {1}
            found.append(_computed())

    assert found[0] == found[1] == found[2]


def test_the_number_of_threads_is_what_it_was_behind_the_block() -> None:
    before = _threads()

    with blas.one_thread():
        pass

    assert _threads() == before
