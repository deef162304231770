"""The end of a checkpoint's `.index`, which no checksum covers: TensorFlow takes it at its word, and the process ends.

The file is a table in LevelDB's format (`table_format.md` of LevelDB): blocks, each with a type and a checksum behind
it, then a footer that says where two of them lie: two pairs of offset and size as varints, filled up, and a number by
which such files are known.
"""

import struct
from pathlib import Path
from typing import Iterator

from quant_accuracy.base.errors import CheckpointError

_FOOTER, _TRAILER = 48, 5
_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)


def check(path: Path) -> None:
    """See to it that the blocks of a checkpoint's `.index` lie inside of it.

    Raises:
        CheckpointError: The file cannot be read, is no such table, or is damaged at its end.
    """
    try:
        size = path.stat().st_size
        with open(str(path), "rb") as file:
            file.seek(max(0, size - _FOOTER))
            footer = file.read()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); copy the checkpoint again") from error
    if len(footer) < _FOOTER or not footer.endswith(_MAGIC):
        raise CheckpointError(f"{path}: is not the index of a checkpoint, or is cut short; copy the checkpoint again")
    numbers = list(_varints(footer[:-len(_MAGIC)]))
    for offset, length in zip(numbers[0:4:2], numbers[1:4:2]):
        if offset + length + _TRAILER > size - _FOOTER:
            raise CheckpointError(f"{path}: its end is damaged: it names a block that is not in the file; copy the "
                                  "checkpoint again")


def _varints(content: bytes) -> Iterator[int]:
    """Numbers of seven bits a byte, the lowest first; the highest bit says that more follow."""
    value = shift = 0
    for byte in content:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0
