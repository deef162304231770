"""What preparing and training a checkpoint needs: object_detection, which runs under TensorFlow 1.15 alone."""

import sys
from typing import Tuple

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError

# The last Python that TensorFlow 1.15 was built for.
_LAST = (3, 7)


def check(what: str, python: Tuple[int, int] = sys.version_info[:2]) -> None:
    """Find out before anything is imported whether there can be a TensorFlow 1.15.

    Args:
        what: What is to be done.
        python: Version of Python.

    Raises:
        ConfigurationError: This Python is too new.
    """
    if python > _LAST:
        lane = f"with `QUANT_ACCURACY_PYTHON=3.7 {invocation.run()} ...`" if invocation.run() \
            else "in an environment of Python 3.7"
        version = "{}.{}".format(*python)
        raise ConfigurationError(f"{what} needs object_detection under TensorFlow 1.15, which there is none of for "
                                 f"Python {version}; call it {lane}")
