"""Which AIMET is installed, and its modules."""

import contextlib
import importlib
import importlib.util
import logging
import os
import re
from typing import Any, Iterator, NamedTuple, Optional

from quant_accuracy.base import distributions, progress
from quant_accuracy.base.errors import ConfigurationError, first_line

KNOWN = "1.19"
WHEELS = "https://github.com/quic/aimet/releases/tag/1.19.1.py37"

_DISTRIBUTIONS = ("AimetTensorflow", "AimetCommon")
_PLACEHOLDER = "aimet-tensorflow"
_INSTALL = (f"install the wheels AimetCommon and AimetTensorflow from {WHEELS} (pip install --no-deps, and "
            "jsonschema), or use --backend builtin")


class Aimet(NamedTuple):
    """AIMET's modules."""

    quantsim: Any
    batch_norm_fold: Any
    constants: Any
    common: Any
    libpymo: Any


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
        progress.say(f"warning: AIMET {version} is installed, but {KNOWN} is what is known to work; "
                     f"if it fails, {_INSTALL}")
    return version


def load_modules() -> Aimet:
    """AIMET's modules, whose logging goes where this project's own does.

    Raises:
        ConfigurationError: AIMET is installed and cannot be loaded.
    """
    try:
        with _logging_kept():
            areas = importlib.import_module("aimet_common.utils").AimetLogger.LogAreas
            modules = Aimet(importlib.import_module("aimet_tensorflow.quantsim"),
                             importlib.import_module("aimet_tensorflow.batch_norm_fold"),
                             importlib.import_module("aimet_tensorflow.utils.constants"),
                             importlib.import_module("aimet_common.quantsim"),
                             importlib.import_module("libpymo"))
    except Exception as error:  # a missing shared library is TensorFlow's NotFoundError, libpymo an ImportError
        raise ConfigurationError(f"AIMET cannot be loaded ({first_line(error)}); its libraries come with AimetCommon: "
                                 f"put {_libraries()} on PYTHONPATH and on LD_LIBRARY_PATH before Python "
                                 "starts") from error
    for area in areas:
        logger = logging.getLogger(area.value)
        logger.handlers.clear()  # they write to the standard output, which belongs to reports
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    return modules


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo what AIMET's import does to the root logger: it takes its handlers away and sends all to standard output."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


def _libraries() -> str:
    spec = _spec("aimet_common")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return os.path.join(places[0] if places else "site-packages/aimet_common", "x86_64-linux-gnu")


def _spec(module: str) -> Optional[Any]:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _has_code(module: str) -> bool:
    spec = _spec(module)
    return spec is not None and bool(spec.has_location)
