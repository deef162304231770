"""Which AIMET is installed, and its modules."""

import importlib
import logging
import re
import sys
import threading
from typing import Any, List, NamedTuple, Optional, Sequence, Set

from quant_accuracy.base import distributions, invocation, progress
from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.quantization import both_aimets
from quant_accuracy.quantization.aimet import libraries

KNOWN = "1.19"
WHEELS = "https://github.com/quic/aimet/releases/tag/1.19.1.py37"

_DISTRIBUTIONS = ("AimetTensorflow", "AimetCommon")
_PYTHON = (3, 7)
_PLACEHOLDER = "aimet-tensorflow"
_COMMAND = invocation.program("aimet-install FILE FILE") if invocation.run() else "pip install --no-deps FILE FILE"
_OTHERWISE = "or use --backend builtin"
_GET = f"download the wheels AimetCommon and AimetTensorflow for Python 3.7 from {WHEELS} and install them"
if sys.version_info[:2] == _PYTHON:
    _INSTALL = f"{_GET} with `{_COMMAND}`, {_OTHERWISE}"
elif invocation.run():
    _INSTALL = (f"{_GET} with `QUANT_ACCURACY_PYTHON=3.7 {_COMMAND}`, then put QUANT_ACCURACY_PYTHON=3.7 before this "
                f"command, too, {_OTHERWISE}")
else:
    _INSTALL = f"{_GET} with `{_COMMAND}` in an environment of Python 3.7, {_OTHERWISE}"

# Packages of AIMET's own.
_OWN = ("aimet_", "libpymo")
# What an import changes for its time is the process's.
_ONE_AT_A_TIME = threading.RLock()
# What has been said once.
_SAID: Set[str] = set()


class Aimet(NamedTuple):
    """AIMET's modules."""

    quantsim: Any
    batch_norm_fold: Any
    constants: Any
    common: Any
    libpymo: Any
    graph_saver: Any
    loggers: Sequence[str]


_MODULES = ("aimet_tensorflow.quantsim", "aimet_tensorflow.batch_norm_fold", "aimet_tensorflow.utils.constants",
            "aimet_common.quantsim", "libpymo", "aimet_tensorflow.utils.graph_saver")


def installed() -> Optional[str]:
    """The version of the AIMET that is installed, `unknown` where it does not say; None where there is none.

    The package `aimet-tensorflow` of the public Python index is a placeholder without code and does not count.
    """
    if not _has_code("aimet_tensorflow.quantsim"):
        return None
    for name in _DISTRIBUTIONS:
        # The wheels' versions carry the variant, `tf-gpu-1.19.1.py37` say.
        number = re.search(r"\d+(\.\d+)+", distributions.version(name) or "")
        if number:
            return number.group()
    return "unknown"


def require() -> str:
    """The version of the AIMET that is installed, with a warning where it is not one that is known to work.

    Raises:
        ConfigurationError: AIMET is not installed.
    """
    version = installed()
    if version is None:
        if distributions.version(_PLACEHOLDER) is not None or _has_code("aimet_tensorflow"):
            raise ConfigurationError("AIMET is not installed: the package aimet-tensorflow of the public Python index "
                                     f"is a placeholder without code; uninstall it and {_INSTALL}")
        raise ConfigurationError(f"AIMET is not installed; {_INSTALL}")
    if not (version + ".").startswith(KNOWN + "."):
        progress.say(f"warning: AIMET {version} is installed, but {KNOWN} is the tested version; "
                     f"if it fails, {_INSTALL}")
    return version


def usable() -> bool:
    """Whether AIMET is installed and can be loaded; one that cannot is named in a line."""
    if installed() is None:
        return False
    try:
        load_modules()
    except ConfigurationError as error:
        if str(error) not in _SAID:
            _SAID.add(str(error))
            progress.say(f"note: the built-in quantizer backend is used: {error}")
        return False
    return True


def load_modules() -> Aimet:
    """AIMET's modules, whose logging goes where this project's own does.

    Raises:
        ConfigurationError: AIMET is installed and cannot be loaded.
    """
    try:
        with _ONE_AT_A_TIME, both_aimets.root_logger_kept(logging.INFO), libraries.found():
            areas = importlib.import_module("aimet_common.utils").AimetLogger.LogAreas
            loggers = [area.value for area in areas]
            found: List[Any] = [importlib.import_module(name) for name in _MODULES]
            modules = Aimet._make([*found, loggers])
    except Exception as error:  # a missing shared library is TensorFlow's NotFoundError, libpymo an ImportError
        raise ConfigurationError(f"AIMET {installed()} is installed and cannot be loaded ({first_line(error)}); "
                                 f"{_remedy(error)}") from error
    for logger in map(logging.getLogger, loggers):
        logger.handlers.clear()  # they write to the standard output, which belongs to reports
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    return modules


def _remedy(error: Exception) -> str:
    if sys.version_info[:2] != _PYTHON:
        return ("it is for Python 3.7 with TensorFlow 1.15, and this is Python "
                f"{'.'.join(map(str, sys.version_info[:2]))}: name a Python 3.7 in QUANT_ACCURACY_PYTHON, {_OTHERWISE}")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(_OWN):
        return f"it needs {error.name}: `{invocation.program('pip')} install {error.name}`, {_OTHERWISE}"
    # A wheel for GPUs needs CUDA's libraries, one of another Python does not find its own.
    return f"install the tf_cpu ones of its wheels for Python 3.7, both of them, with `{_COMMAND}`, {_OTHERWISE}"


def _has_code(module: str) -> bool:
    spec = libraries.spec(module)
    return spec is not None and bool(spec.has_location)
