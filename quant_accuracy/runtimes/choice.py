"""Which runtimes there are, by name."""

from typing import Dict, Type

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.base.words import OPENVINO, TENSORFLOW
from quant_accuracy.runtimes import openvino_runtime
from quant_accuracy.runtimes.contract import Runtime
from quant_accuracy.runtimes.openvino_runtime import OpenVino
from quant_accuracy.runtimes.tensorflow_runtime import TensorFlow

_RUNTIMES: Dict[str, Type[Runtime]] = {TENSORFLOW: TensorFlow, OPENVINO: OpenVino}


def of_name(name: str) -> Runtime:
    """A runtime, `tensorflow` or `openvino`.

    Raises:
        ConfigurationError: It is not installed, or cannot be loaded.
    """
    found = _RUNTIMES[name]()
    if name == OPENVINO:
        if not openvino_runtime.installed():
            raise ConfigurationError(f"--runtime {name}: OpenVINO is not installed; install it with "
                                     f"`{invocation.INSTALL_OPENVINO}`, or use --runtime tensorflow")
        try:
            openvino_runtime.load()
        except ImportError as error:
            raise ConfigurationError(f"--runtime {name}: OpenVINO cannot be loaded ({first_line(error)}); install it "
                                     f"again with `{invocation.INSTALL_OPENVINO}`, or use --runtime tensorflow") \
                from error
    return found


def of_identity(identity: str) -> Runtime:
    """A runtime by name and version, for work that came from another process or machine.

    Raises:
        ConfigurationError: It is not installed here, or in another version.
    """
    name, _, version = identity.partition(" ")
    found = of_name(name)
    if found.version != version:
        raise ConfigurationError(f"--runtime {name}: it is version {found.version} here and {version} where this "
                                 "evaluation was started: figures would not be the same; bring all machines to one "
                                 "version")
    return found
