"""Files that are written whole or not at all, and digests that name their content."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, Sequence

from quant_accuracy.errors import StorageError

_CHUNK = 1 << 20


@contextlib.contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that becomes `target` when the block ends well.

    A reader never sees a half-written file, whatever kills the writer. The block may make a file or a folder.

    Args:
        target: The final path. A folder that is already there stays as it is: its first writer wins.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=str(target.parent)))
    try:
        with storage_errors(target):
            written = scratch / target.name
            yield written
            if written.is_dir() and target.is_dir():
                return
            os.replace(str(written), str(target))
    finally:
        shutil.rmtree(str(scratch), ignore_errors=True)


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
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".scratch.", suffix=".partial", dir=str(folder)))
    try:
        with storage_errors(folder):
            yield scratch
            for path in sorted(scratch.iterdir(), key=lambda path: (path.name.endswith(last), path.name)):
                os.replace(str(path), str(folder / path.name))
    finally:
        shutil.rmtree(str(scratch), ignore_errors=True)


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the system's errors on a full or forbidden disk into one that names `target` and the remedy.

    Raises:
        StorageError: The disk is full or `target` cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageError(f"{target}: the disk is full; free some space and start again, "
                               "finished shards are kept") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise StorageError(f"{target}: {error.strerror}; name a folder that can be written "
                               "with --cache-dir or --output-dir") from error
        raise


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


def digest_value(value: Any) -> str:
    """The SHA-256 of a JSON-like value; equal values have equal digests whatever the order of their keys."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8"))
