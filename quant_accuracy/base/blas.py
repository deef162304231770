"""Products of matrices whose last bit does not depend on how many cores there are."""

import contextlib
from typing import Iterator

import threadpoolctl


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have numpy compute each product and each inverse on one thread inside the block, whichever thread asks for it.

    Several threads share a product out among them, and the order of its sums follows. A property of the process.
    """
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        yield
