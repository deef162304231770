"""A content-addressed store: what was made once for some inputs is never made again, nor by two processes at a time.

Each entry says the digests of its files. One that is damaged is never used, and made again.
"""

from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Set

import filelock

from quant_accuracy.base import files, progress
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import StorageError

_DIGESTS = "digests.json"


class Cache:
    """A folder of entries named by the digest of everything that they were made from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._whole: Set[Path] = set()

    def path(self, kind: str, inputs: Mapping[str, Any], suffix: str = "") -> Path:
        """Where the entry of this kind for these inputs is, or would be."""
        return self.root / kind / (files.digest_value(inputs)[:32] + suffix)

    def folder(self, kind: str, inputs: Mapping[str, Any], label: str, make: Callable[[Path], None]) -> Path:
        """The folder made from `inputs`, made now if it is not there, or with a warning if it is damaged.

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
        files.sweep(target.parent)
        if self._damage(target) is None:
            return target
        with self.hold(f"{kind}-{target.name}"):
            # Another may have made it since.
            damage = self._damage(target)
            if damage is not None:
                if target.exists():
                    progress.say(f"warning: {target}: damaged ({damage}); it is rebuilt")
                # What is damaged goes when the new one is whole, and not before.
                with progress.step(label), files.atomic_path(target, replace=True) as scratch:
                    scratch.mkdir()
                    make(scratch)
                    files.write_json(scratch / "inputs.json", inputs)
                    files.write_json(scratch / _DIGESTS, files.digest_folder(scratch))
                self._whole.add(target)
        return target

    def _damage(self, target: Path) -> Optional[str]:
        """What is wrong with an entry; None when it is there and whole, which is looked at once.

        An entry without digests, as older versions made them, is made again: nothing could tell whether it is whole.
        """
        if not target.is_dir():
            return "it is missing"
        if target in self._whole:
            return None
        try:
            recorded = read_json(target / _DIGESTS)
            if not isinstance(recorded, dict) or "inputs.json" not in recorded:
                return f"{_DIGESTS} is not readable"
            wrong = [name for name, digest in recorded.items() if files.digest_file(target / name) != digest]
        except FileNotFoundError as error:
            return f"{Path(str(error.filename)).name} is missing"
        except ValueError:
            return f"{_DIGESTS} is not readable"
        except OSError as error:
            return str(error)
        if wrong:
            return f"{wrong[0]} has changed since it was written"
        self._whole.add(target)
        return None

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
            try:
                return filelock.FileLock(str(path)).acquire(timeout=timeout)
            except NotImplementedError as error:
                raise StorageError(f"{path}: the file system has no locks; name a folder on another one with "
                                   "--cache-dir") from error
