"""A content-addressed store: what was made once for some inputs is never made again, nor by two processes at a time."""

from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import filelock

from quant_accuracy import files, progress


class Cache:
    """A folder of entries named by the digest of everything that they were made from."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: str, inputs: Mapping[str, Any], suffix: str = "") -> Path:
        """Where the entry of this kind for these inputs is, or would be."""
        return self.root / kind / (files.digest_value(inputs)[:32] + suffix)

    def folder(self, kind: str, inputs: Mapping[str, Any], label: str, make: Callable[[Path], None]) -> Path:
        """The folder made from `inputs`, made now if it is not there.

        Another process that wants the same one waits until it is whole.

        Args:
            kind: What it is: the name of a sub-folder.
            inputs: Everything that the content depends on, JSON-like.
            label: What to tell the user while it is made.
            make: Fills the empty folder that it is given.

        Raises:
            StorageError: The cache cannot be written.
        """
        target = self.path(kind, inputs)
        if target.is_dir():
            return target
        with self.hold(f"{kind}-{target.name}"):
            if not target.is_dir():
                with progress.step(label), files.atomic_path(target) as scratch:
                    scratch.mkdir()
                    make(scratch)
                    files.write_json(scratch / "inputs.json", inputs)
        return target

    def hold(self, name: str) -> "filelock.AcquireReturnProxy":
        """Hold the lock of this name until the end of a `with`, after all who hold it now.

        Raises:
            StorageError: The cache cannot be written.
        """
        return self._lock(name, timeout=-1)

    def claim(self, name: str) -> "Optional[filelock.AcquireReturnProxy]":
        """Hold the lock of this name until the end of a `with`; None while another process holds it.

        What a process held is free again when it has died.

        Raises:
            StorageError: The cache cannot be written.
        """
        try:
            return self._lock(name, timeout=0)
        except filelock.Timeout:
            return None

    def _lock(self, name: str, timeout: float) -> "filelock.AcquireReturnProxy":
        path = self.root / "locks" / f"{name}.lock"
        with files.storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return filelock.FileLock(str(path)).acquire(timeout=timeout)
