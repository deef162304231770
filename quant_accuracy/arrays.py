"""Arrays by name as a file: an .npz, written whole or not at all, nothing pickled."""

import io
import zipfile
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np

from quant_accuracy import files
from quant_accuracy.errors import StorageError


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    files.write_bytes(path, buffer.getvalue())


def load(path: Path, dtypes: Mapping[str, Any], what: str) -> Dict[str, np.ndarray]:
    """Read the arrays of these names and dtypes; `what` they are is for messages.

    Raises:
        StorageError: The file is missing, damaged, or of another form.
    """
    try:
        with np.load(str(path), allow_pickle=False) as stored:
            found = {name: stored[name] for name in dtypes}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StorageError(f"{path}: not readable as {what} ({error}); delete it, it will be made again") from error
    for name, dtype in dtypes.items():
        if found[name].dtype != dtype:
            raise misshapen(path, name, found[name])
    return found


def misshapen(path: Path, name: str, array: np.ndarray) -> StorageError:
    """An error about an array that does not have the form that it should have."""
    return StorageError(f"{path}: {name} is {array.dtype}{list(array.shape)}; delete it, it will be made again")
