"""Files that are written whole or not at all, and digests that name their content."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from quant_accuracy.base.errors import ConfigurationError, StorageError

_CHUNK = 1 << 20
_HELD = ".held"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# A quota and a limit on the size of files look to their user as a full disk does.
_FORBIDDEN = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY,
              errno.ENAMETOOLONG, errno.ELOOP)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def atomic_path(target: Path, replace: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `target` that becomes `target` when the block ends well.

    A reader never sees a half-written file, whatever kills the writer. The block may make a file or a folder.

    Args:
        target: The final path. A folder that is already there stays as it is: its first writer wins.
        replace: Whether such a folder gives way instead.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    with storage_errors(target), _scratch(target.parent, target.name) as scratch:
        written = scratch / target.name
        yield written
        if written.is_dir() and target.exists():
            if not replace:
                return
            os.rename(str(target), str(scratch / ".replaced"))
        os.replace(str(written), str(target))


@contextlib.contextmanager
def atomic_paths(targets: Sequence[Path]) -> Iterator[List[Path]]:
    """As `atomic_path`, for several files: none appears before all are written."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(atomic_path(target)) for target in targets]


@contextlib.contextmanager
def scratch_for(folder: Path, last: str) -> Iterator[Path]:
    """A new folder whose files move to `folder` when all are written; those that end in `last` move last.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    with storage_errors(folder), _scratch(folder, "scratch") as scratch:
        written = scratch / "files"
        written.mkdir()
        yield written
        for path in sorted(written.iterdir(), key=lambda path: (path.name.endswith(last), path.name)):
            os.replace(str(path), str(folder / path.name))


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; what a living one is at stays.

    Who writes holds a lock, and the system takes it from the dead. Some file systems do not tell one machine of the
    locks of another: therefore each machine removes only what bears its own name.
    """
    try:
        names = os.listdir(str(folder))
    except OSError:
        # Whoever has to read or write there will say so.
        return
    for name in names:
        if not name.endswith(_suffix()):
            continue
        scratch = folder / name
        with contextlib.suppress(OSError):
            descriptor = _held(scratch)
            if descriptor is not None:
                shutil.rmtree(str(scratch), ignore_errors=True)
                os.close(descriptor)


@contextlib.contextmanager
def _scratch(folder: Path, name: str) -> Iterator[Path]:
    """A hidden folder in a folder, held while the block runs and gone after it; those of the dead go before."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    with contextlib.ExitStack() as stack:
        descriptor = None
        while descriptor is None:
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=_suffix(), dir=str(folder)))
            with contextlib.ExitStack() as removed:
                removed.callback(_remove, scratch)
                try:
                    descriptor = _held(scratch)
                except OSError as error:
                    if error.errno not in _NO_LOCKS:
                        raise
                    # Nor can anybody sweep it away there.
                    descriptor = os.open(os.devnull, os.O_RDONLY)
                if descriptor is not None:
                    stack.callback(os.close, descriptor)
                    stack.push(removed.pop_all())
        yield scratch


def _remove(scratch: Path) -> None:
    """Remove a scratch folder, also where that is interrupted, which then goes on."""
    try:
        shutil.rmtree(str(scratch), ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(str(scratch), ignore_errors=True)
        raise


def _suffix() -> str:
    """How the name of a scratch folder of this machine ends."""
    machine = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f".{machine}.quant_accuracy.partial"


def _held(scratch: Path) -> Optional[int]:
    """The descriptor of a lock on a scratch folder, for this process alone; None when another has it, or removed it."""
    path = str(scratch / _HELD)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking it may have been swept away.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the system's errors on a full or forbidden disk into one that names `target` and the remedy.

    Raises:
        StorageError: The disk is full or `target` cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageError(f"{target}: the disk is full ({error.strerror}); free some space and start again, "
                               "finished shards are kept") from error
        if error.errno in _FORBIDDEN:
            raise StorageError(f"{target}: {error.strerror}; name a folder that can be written with --cache-dir, "
                               "--output-dir, or whichever option names this one") from error
        raise


def require_new(folder: Path, purpose: str) -> None:
    """Check that a folder is not there yet, or is empty.

    Raises:
        ConfigurationError: It holds something already, or is a file; the message says what it is wanted for.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigurationError(f"{folder}: is {'a file' if folder.is_file() else 'not empty'}; name a new folder for "
                                 f"{purpose}")


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def write_bytes(target: Path, content: bytes) -> None:
    """Write `content`, whole or not at all."""
    with atomic_path(target) as path:
        path.write_bytes(content)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as readable JSON with sorted keys, whole or not at all."""
    write_text(target, json.dumps(value, indent=1, sort_keys=True) + "\n")


def digest_bytes(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    sha = hashlib.sha256()
    with open(str(path), "rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            sha.update(chunk)
    return sha.hexdigest()


def digest_folder(folder: Path) -> Dict[str, str]:
    """The digest of every file below a folder, by its path from there."""
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in sorted(folder.rglob("*"))
            if path.is_file()}


def digest_value(value: Any) -> str:
    """The SHA-256 of a JSON-like value; equal values have equal digests whatever the order of their keys."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8"))
