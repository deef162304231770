"""Arrays by name as a file: an .npz, written whole or not at all, nothing pickled."""

import io
import zipfile
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np

from quant_accuracy.base import files
from quant_accuracy.base.errors import StorageError


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
        with zipfile.ZipFile(str(path)) as archive:
            # Whole members: their checksums are compared before an array is made of them.
            contents = {name: archive.read(f"{name}.npy") for name in dtypes}
        found = {name: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
                 for name, content in contents.items()}
    except Exception as error:  # zipfile raises many kinds for damaged archives
        raise StorageError(f"{path}: not readable as {what} ({error}); delete it, it will be rebuilt") from error
    for name, dtype in dtypes.items():
        if found[name].dtype != dtype:
            raise misshapen(path, name, found[name])
    return found


def misshapen(path: Path, name: str, array: np.ndarray) -> StorageError:
    """An error about an array that does not have the form that it should have."""
    return StorageError(f"{path}: {name} is {array.dtype}{list(array.shape)}; delete it, it will be rebuilt")
