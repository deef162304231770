"""Which version an encodings file is of, and what it holds."""

from pathlib import Path
from typing import Any, Mapping

import yaml

from quant_accuracy.base.documents import parse_json, parsing, read_text
from quant_accuracy.base.errors import QuantAccuracyError, StorageError, first_line, shown
from quant_accuracy.quantization.encodings_file import by_tensor, grids, lists, yaml_numbers
from quant_accuracy.quantization.encodings_file.stored import AGAIN, SECTIONS, VERSION, Stored

_READERS = {"0": by_tensor.read, "1": lists.read, "2": grids.read}


def read(path: Path, remedy: str = AGAIN) -> Stored:
    """Read an encodings file of any version up to 2.x.

    Args:
        path: The file, JSON; YAML where its name ends so.
        remedy: What to do where it cannot be used.

    Raises:
        StorageError: The file is missing, is not an encodings file, or an encoding in it is unusable: NaN, infinite,
            inverted, without zero, with a scale that contradicts its range, or of a scheme that is not simulated.
    """
    version = VERSION
    try:
        document = _document(path)
        if not isinstance(document, dict):
            raise StorageError(f"{path}: holds no mapping of encodings; name the model.encodings of an "
                               f"export, or {remedy}")
        version = _version(document)
        reader = _READERS.get(version.split(".")[0])
        if reader is None:
            raise StorageError(f"{path}: is of version {shown(version)}, and versions up to 2 are read; export it "
                               "again with one of those")
        return reader(path, document, remedy)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, yaml.YAMLError) as error:
        if isinstance(error, QuantAccuracyError):
            raise
        raise StorageError(f"{path}: not readable as an encodings file of version {version} "
                           f"({type(error).__name__}: {first_line(error)}); {remedy}") from error


def _document(path: Path) -> Any:
    text = read_text(path)
    if path.suffix not in (".yaml", ".yml"):
        return parse_json(text)
    with parsing():
        return yaml_numbers.load(text)


def _version(document: Mapping[str, Any]) -> str:
    """The version that a document names, or where it names none the one that it looks like."""
    named = document.get("version")
    if named is not None and not isinstance(named, (list, dict)):
        return str(named)[:20]
    if grids.LIST in document:
        return "2.0.0"
    return "1.0.0" if any(isinstance(document.get(section), list) for section in SECTIONS.values()) else VERSION
