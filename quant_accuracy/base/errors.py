"""What can go wrong while measuring. A gate that fails is a verdict, not one of these.

    QuantAccuracyError       could not measure; the message names the thing and ends with what to do
    +-- ConfigurationError   an option or a model card says something that cannot be followed
    +-- CheckpointError      checkpoint files are missing, damaged, or hold weights that cannot be used
    +-- GraphError           the graph lacks the ops that the model card names, or has an unexpected form
    |   +-- OutOfMemoryError it asks for more memory than there is
    |   +-- UnsupportedError the chosen runtime cannot take it
    +-- DataError            images, TFRecords or annotations are missing, damaged or contradict each other
    +-- StorageError         a result could not be written, or a stored one could not be read back
    +-- WorkerError          workers died or hung again and again, or there are none
    +-- DefectError          this suite itself is at fault
"""

import re
import reprlib
import traceback
from pathlib import Path
from typing import Any

# What a message of a DefectError says, also where only its text is left.
DEFECT = "this is a defect of the suite and no verdict"
_LONGEST = 1500
_INSTALL_AGAIN = "install quant_accuracy again, with everything it depends on"
# No dependencies of the wheel: the package asks for tensorflow-gpu and jupyter.
_PREPARATION = ("checkpoints are prepared with it, and pip does not install it along; "
                "`pip install --no-deps tf-object-detection==0.0.3`")
_INSTALLATIONS = {"object_detection": _PREPARATION, "nets": _PREPARATION}
_OURS = __name__.partition(".")[0]
# What TensorFlow 2 puts before the message of an op: where in Python each op that failed was made.
_PREAMBLE = "Graph execution error:"
_END_OF_PREAMBLE = re.compile(r"^Node: '.*'$", re.M)


class QuantAccuracyError(Exception):
    """Something could not be measured; the message names it and ends with the remedy.

    A message that quotes too much of a damaged file loses its middle: the name and the remedy stay.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= _LONGEST
                         else f"{message[:_LONGEST * 2 // 3]} ... {message[-_LONGEST // 3:]}")


class ConfigurationError(QuantAccuracyError, ValueError):
    """An option or a model card says something that cannot be followed."""


class CheckpointError(QuantAccuracyError):
    """Checkpoint files are missing, damaged, or hold weights that cannot be used."""


class GraphError(QuantAccuracyError):
    """The graph lacks the named ops or has a form that cannot be handled."""


class OutOfMemoryError(GraphError):
    """The graph asks for more memory than there is; elsewhere, or with less at once, it may run."""


class UnsupportedError(GraphError):
    """The chosen runtime cannot take the graph; TensorFlow can."""


class DataError(QuantAccuracyError):
    """Images, TFRecords or annotations are missing, damaged or contradict each other."""


class StorageError(QuantAccuracyError):
    """A result could not be written, or a stored one could not be read back."""


class WorkerError(QuantAccuracyError):
    """Workers died or hung again and again, or there are none."""


class DefectError(QuantAccuracyError):
    """This suite itself is at fault: something was raised that nobody expected."""


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100
_short.maxlong = 40
_short.maxlevel = 3


def shown(value: Any) -> str:
    """A value out of somebody's file as a message quotes it: short, whatever it is."""
    return _short.repr(value)


def told(text: str) -> str:
    """What a message of TensorFlow's tells: without what TensorFlow 2 says before it."""
    if not text.startswith(_PREAMBLE):
        return text
    return _END_OF_PREAMBLE.split(text[len(_PREAMBLE):])[-1].strip()


def first_line(error: BaseException) -> str:
    """The first line of another library's message, to be quoted inside one of ours; its class where it says nothing."""
    return next(iter(told(str(error).strip()).splitlines()), type(error).__name__)


def unexpected(error: BaseException) -> QuantAccuracyError:
    """What to say of an exception that is none of ours, in one line, whatever door it comes out of.

    What the machine refuses (a file, memory) is named as such; anything else is a defect of this suite, with the place
    where it was raised.
    """
    if isinstance(error, QuantAccuracyError):
        return error
    if isinstance(error, MemoryError):
        return QuantAccuracyError("out of memory; lower --eval-batch-size, --threads or --jobs, or use a machine "
                                  "with more memory; finished shards are kept")
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return StorageError(f"{_text(error.filename)}: {error.strerror}; see that it is there and can be used; "
                            "finished shards are kept, the same command resumes from there")
    if isinstance(error, ImportError) and not str(error.name).startswith(_OURS):
        package = str(error.name).partition(".")[0]
        return ConfigurationError(f"{first_line(error)}; {_INSTALLATIONS.get(package, _INSTALL_AGAIN)}")
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return DefectError(f"{type(error).__name__}{where}: {first_line(error)}; {DEFECT}: "
                       "report it with the command and what it printed; finished shards are kept")


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
