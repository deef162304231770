"""The files of a checkpoint: `model.ckpt.meta`, `.index` and `.data-00000-of-00001`, all of one prefix."""

import re
from pathlib import Path
from typing import List

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import CheckpointError

_PART = re.compile(r"\.(?:meta|index|data-\d{5}-of-\d{5})$")


def prefix(given: Path) -> Path:
    """The prefix of a checkpoint that is named by it, by one of its files, or by a folder with nothing but it.

    What is not there at all stays as it is: reading says what is missing.

    Raises:
        CheckpointError: The folder holds several checkpoints, or none.
    """
    if Path(f"{given}.index").exists() or Path(f"{given}.meta").exists():
        return given
    if not given.is_dir():
        return given.with_name(_PART.sub("", given.name))
    found = sorted({_PART.sub("", path.name) for path in given.iterdir() if _PART.search(path.name)})
    if not found:
        raise CheckpointError(f"{given}: holds no checkpoint; name the prefix that .meta, .index and .data-* share")
    if len(found) > 1:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise CheckpointError(f"{given}: holds {len(found)} checkpoints ({shown}); name one of them: "
                              f"{given / found[-1]}")
    return given / found[0]


def training_prefix(given: Path) -> Path:
    """The prefix of a training checkpoint that is named as `prefix` takes it; it needs no `.meta`.

    Raises:
        CheckpointError: There is none, or a part of it is missing.
    """
    found = prefix(given)
    # One file of that very name is a checkpoint of TensorFlow's first format.
    if not found.is_file():
        if not Path(f"{found}.index").is_file():
            raise CheckpointError(f"{found}.index: no such file; --checkpoint takes the prefix that .index and .data-* "
                                  f"share{_found_near(found)}")
        data_files(found)
    return found


def _found_near(missing: Path) -> str:
    """The prefixes that could have been meant, in the folder that was named or that of a file."""
    folder = missing if missing.is_dir() else missing.parent
    near = sorted(str(path)[:-len(".index")] for path in folder.glob("*.index"))
    return f": {' or '.join(near[:3])}" if near else ""


def checkpoint_files(of: Path) -> List[Path]:
    """The files of a checkpoint: `.meta`, `.index` and every `.data-*`.

    Args:
        of: Their prefix.

    Raises:
        CheckpointError: One is missing.
    """
    return [existing(of, ".meta"), *data_files(of)]


def data_files(of: Path) -> List[Path]:
    """The files of a checkpoint that hold values: `.index` and every `.data-*`.

    Args:
        of: Their prefix.

    Raises:
        CheckpointError: One is missing.
    """
    index = existing(of, ".index")
    pattern = re.compile(re.escape(of.name) + r"\.data-\d{5}-of-(\d{5})$")
    data = sorted(path for path in of.parent.iterdir() if pattern.match(path.name))
    if not data:
        raise CheckpointError(f"{of}.data-*: no such file; copy the checkpoint again, all its parts")
    wanted = int(data[0].name[-5:])
    if len(data) != wanted:
        raise CheckpointError(f"{of}.data-*: {len(data)} of {wanted} parts are there; copy the checkpoint again")
    return [index, *data]


def existing(of: Path, suffix: str) -> Path:
    """One file of a checkpoint.

    Raises:
        CheckpointError: It is missing.
    """
    path = Path(f"{of}{suffix}")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; --model-checkpoint takes the prefix that .meta, .index and "
                              f".data-* share ({invocation.command('export-checkpoint')} makes them)")
    return path
