"""Whether the runtime that is asked for is there; settled before TensorFlow is imported."""

import importlib.util

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO


def require(name: str) -> None:
    """Refuse to go on without a runtime; `auto` goes on with what there is.

    Raises:
        ConfigurationError: It is not installed.
    """
    if name == OPENVINO and importlib.util.find_spec(OPENVINO) is None:
        raise ConfigurationError(f"--runtime {OPENVINO}: OpenVINO is not installed; install it with "
                                 f"`{invocation.INSTALL_OPENVINO}`, or use --runtime tensorflow, or auto")
