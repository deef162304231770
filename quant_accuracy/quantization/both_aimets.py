"""What AIMET for TensorFlow and AIMET for ONNX have in common: their bit widths, their manners, how they fail."""

import contextlib
import logging
import sys
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Type

from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, first_line
from quant_accuracy.quantization.records import Settings


def check_bitwidths(settings: Settings, taken: range, product: str) -> None:
    """Refuse bit widths that AIMET does not take.

    Args:
        settings: What is asked for.
        taken: Those that it takes.
        product: Which AIMET it is, for the message.

    Raises:
        ConfigurationError: There is one.
    """
    widths = [("param_bitwidth", settings.param_bitwidth), ("output_bitwidth", settings.output_bitwidth)]
    widths += [(f"the bitwidth of {item.tensors}", item.bitwidth) for item in settings.overrides if item.bitwidth]
    for key, bits in widths:
        if bits not in taken:
            raise ConfigurationError(f"{key} is {bits}, and {product} takes {taken.start} to {taken.stop - 1}; change "
                                     "it with --default-param-bw or --default-output-bw, or in the model card, or use "
                                     "--backend builtin")


@contextlib.contextmanager
def root_logger_kept(quiet: int) -> Iterator[None]:
    """Undo what AIMET's import does to the root logger: it takes its handlers away and sends all to standard output.

    Args:
        quiet: The level up to which nothing is said meanwhile.
    """
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    logging.disable(quiet)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


@contextlib.contextmanager
def failures(product: str, label: str, kind: Type[QuantAccuracyError], remedy: str,
             log: Callable[[], Optional[Path]] = lambda: None) -> Iterator[None]:
    """Turn whatever AIMET raises in a step into one of this project's errors.

    Args:
        product: Which AIMET it is.
        label: The step, as a participle and what follows it.
        kind: The error to raise.
        remedy: What to do.
        log: Gives the file with what it said before, where there is one.
    """
    try:
        yield
    except QuantAccuracyError:
        raise
    except Exception as error:
        name, said = type(error).__name__, first_line(error)
        said = said if said == name else f"{name}: {said}"
        written = log()
        said = said if written is None else f"{said}; what it did before is in {written}"
        raise kind(f"{product} failed while {label} ({said}); {remedy}") from error


def say_whether_usable(product: str, require: Callable[[], str], load: Callable[[], Any]) -> int:
    """Print one line: that an AIMET is installed and can be loaded, or why not.

    Returns:
        The exit status: 0, or 2 where it is not installed or cannot be loaded.
    """
    try:
        version = require()
        load()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{product} {version} is installed and can be loaded")
    return 0
