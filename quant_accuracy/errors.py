"""What can go wrong while measuring. A gate that fails is a verdict, not one of these.

    QuantAccuracyError       could not measure; the message names the thing and ends with what to do
    +-- ConfigurationError   an option or a model card says something that cannot be followed
    +-- CheckpointError      checkpoint files are missing, damaged, or hold weights that cannot be used
    +-- GraphError           the graph lacks the ops that the model card names, or has an unexpected form
    +-- DataError            images, TFRecords or annotations are missing, damaged or contradict each other
    +-- StorageError         a result could not be written, or a stored one could not be read back
    +-- WorkerError          workers died or hung again and again, or there are none
"""

import reprlib
from typing import Any

_LONGEST = 1500


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


class DataError(QuantAccuracyError):
    """Images, TFRecords or annotations are missing, damaged or contradict each other."""


class StorageError(QuantAccuracyError):
    """A result could not be written, or a stored one could not be read back."""


class WorkerError(QuantAccuracyError):
    """Workers died or hung again and again, or there are none."""


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100
_short.maxlong = 40
_short.maxlevel = 3


def shown(value: Any) -> str:
    """A value out of somebody's file as a message quotes it: short, whatever it is."""
    return _short.repr(value)


def first_line(error: Exception) -> str:
    """The first line of another library's message, to be quoted inside one of ours; its class where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
