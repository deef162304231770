"""Which AIMET for ONNX is installed, its modules, and how its failures are told."""

import contextlib
import importlib
import importlib.util
import logging
import sys
import warnings
from typing import Any, Dict, Iterator, NamedTuple, Optional, Type

from quant_accuracy.base import distributions, invocation, progress
from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, first_line
from quant_accuracy.quantization import both_aimets

PRODUCT = "AIMET ONNX"
KNOWN = "2.42"

_DISTRIBUTION = "aimet-onnx"
_FIRST_PYTHON = (3, 10)
# Results depend on these: who converts, who computes while calibrating.
_PACKAGES = (_DISTRIBUTION, "onnxruntime", "tf2onnx")
_COMMAND = invocation.program("aimet-install") if invocation.run() else "pip install 'quant_accuracy[aimet-onnx]'"
_INSTALL = f"`{_COMMAND}`"
_OTHERWISE = "use --backend builtin"
_ERROR = 3


class AimetOnnx(NamedTuple):
    """Modules of AIMET for ONNX and of what it stands on."""

    quantsim: Any
    libpymo: Any
    qtype: Any
    onnx: Any
    onnxruntime: Any
    tf2onnx: Any


def installed() -> Optional[str]:
    """The version that is installed; None where there is none."""
    return distributions.version(_DISTRIBUTION) if _found("aimet_onnx") else None


def versions() -> Dict[str, str]:
    """The versions of the packages that its results depend on."""
    return {name: distributions.version(name) or "unknown" for name in _PACKAGES}


def require() -> str:
    """The version that is installed, with a warning where it is not one that is known to work.

    Raises:
        ConfigurationError: It, or what it needs, is not installed.
    """
    version = installed()
    if version is None and sys.version_info < _FIRST_PYTHON:
        elsewhere = f"run {_INSTALL} in an environment of a newer one"
        if invocation.run():
            elsewhere = f"put QUANT_ACCURACY_PYTHON=3.12, say, before {_INSTALL} and before this command"
        raise ConfigurationError(f"{PRODUCT} needs Python {_text(_FIRST_PYTHON)} or later, and this is "
                                 f"{_text(sys.version_info[:2])}: {elsewhere}; or {_OTHERWISE}")
    if version is None:
        raise ConfigurationError(f"{PRODUCT} is not installed; run {_INSTALL}, or {_OTHERWISE}")
    for name in ("onnx", "onnxruntime", "tf2onnx", "torch"):
        if not _found(name):
            raise ConfigurationError(f"{PRODUCT} needs {name}, which is not installed; run {_INSTALL}, or {_OTHERWISE}")
    if not (version + ".").startswith(KNOWN + "."):
        progress.say(f"warning: {PRODUCT} {version} is installed, but {KNOWN} is the tested version; if it fails, "
                     f"run {_INSTALL}")
    return version


def load_modules() -> AimetOnnx:
    """Its modules, whose logging goes where this project's own does.

    Raises:
        ConfigurationError: It is installed and cannot be loaded.
    """
    try:
        with both_aimets.root_logger_kept(logging.CRITICAL), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            areas = importlib.import_module("aimet_onnx.common.utils").AimetLogger.LogAreas
            modules = AimetOnnx(importlib.import_module("aimet_onnx.quantsim"),
                                importlib.import_module("aimet_onnx.common").libpymo,
                                importlib.import_module("aimet_onnx.common.defs").qtype,
                                importlib.import_module("onnx"),
                                importlib.import_module("onnxruntime"),
                                importlib.import_module("tf2onnx"))
    except Exception as error:  # a missing shared library is an ImportError or an OSError, a wrong one many others
        raise ConfigurationError(f"{PRODUCT} cannot be loaded ({first_line(error)}); run {_INSTALL} again, or "
                                 f"{_OTHERWISE}") from error
    for area in areas:
        logger = logging.getLogger(area.value)
        logger.handlers.clear()  # they write to the standard output, which belongs to reports
        logger.propagate = True
        # It announces every weight that it looks at, and warns of exports that are not asked for.
        logger.setLevel(logging.ERROR)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    modules.onnxruntime.set_default_logger_severity(_ERROR)
    return modules


@contextlib.contextmanager
def step(label: str, kind: Type[QuantAccuracyError], remedy: str) -> Iterator[None]:
    """Announce a step, and turn whatever is raised in it into one of this project's errors."""
    progress.say(f"{PRODUCT}: {label} ...")
    with both_aimets.failures(PRODUCT, label, kind, remedy), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _text(version: Any) -> str:
    return ".".join(map(str, version))


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
