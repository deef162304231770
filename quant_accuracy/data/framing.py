"""How a TFRecord file is laid out: records one after the other, each with its length and two checksums.

The file may be compressed as a whole, as TFRecordOptions has it; which way shows its content, not its name.
"""

import gzip
import io
import os
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, List, cast

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import DataError
from quant_accuracy.data import recognition

# Before the content: its length, and the checksum of that. Behind it: its checksum.
HEADER, FOOTER = struct.Struct("<QI"), struct.Struct("<I")
REMEDY = f"copy the file again or make it with {invocation.CREATE_TFRECORDS}"
# What `compression` gives; TensorFlow's names.
PLAIN, GZIP, ZLIB = "", "GZIP", "ZLIB"
# What reading a damaged compressed file raises.
DAMAGES = (EOFError, zlib.error)

_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_CHUNK = 1 << 20


def compression(path: Path) -> str:
    """How a TFRecord file is compressed: `PLAIN`, `GZIP` or `ZLIB`.

    Raises:
        OSError: The file cannot be read.
    """
    with open(str(path), "rb") as file:
        header = file.read(HEADER.size)
    # The bytes of a length may be those that a compressed file begins with; its checksum may not.
    if is_header(header):
        return PLAIN
    if header.startswith(b"\x1f\x8b\x08"):
        return GZIP
    return ZLIB if header[:2] in _ZLIB_STARTS else PLAIN


def opened(path: Path) -> BinaryIO:
    """A TFRecord file to be read from its beginning, uncompressed.

    Raises:
        OSError: The file cannot be read.
    """
    form = compression(path)
    if form == GZIP:
        return cast(BinaryIO, gzip.open(str(path), "rb"))
    file = open(str(path), "rb")  # noqa: SIM115
    return file if form == PLAIN else cast(BinaryIO, io.BufferedReader(_Inflated(file)))


def is_header(header: bytes) -> bool:
    """Whether these bytes are the beginning of a record: a length with its checksum."""
    return len(header) == HEADER.size and masked_crc(header[:8]) == HEADER.unpack(header)[1]


def skip(file: BinaryIO, count: int) -> bool:
    """Pass over so many bytes; whether there were so many."""
    if isinstance(file, io.BufferedReader) and file.seekable():
        position, size = file.tell(), os.fstat(file.fileno()).st_size
        if count > size - position:
            return False
        file.seek(count, os.SEEK_CUR)
        return True
    while count > 0:
        passed = len(file.read(min(count, _CHUNK)))
        if not passed:
            return False
        count -= passed
    return True


def check_kind(path: Path, file: BinaryIO) -> None:
    """Check that a file, just opened, begins as a TFRecord file does, or is empty; read it from its beginning after.

    Raises:
        DataError: It is something else; the message says what, where that is known.
    """
    head = file.read(recognition.HEAD)
    if not head or is_header(head[:HEADER.size]):
        return
    known = recognition.recognize(head)
    if known:
        raise DataError(f"{path}: is not a TFRecord file: it is {known.name}; {known.remedy}")
    raise DataError(f"{path}: record 0 is cut short or its length is damaged, or this is not a TFRecord file; {REMEDY}")


class _Inflated(io.RawIOBase):
    """A zlib stream, uncompressed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._stream, self._rest = file, zlib.decompressobj(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_CHUNK)
            if not packed:
                raise EOFError("the compressed file ends before its end was reached")
            found = self._stream.decompress(packed, len(buffer))
            if found:
                buffer[:len(found)] = found
                return len(found)
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()


def _table() -> List[int]:
    """What each byte does to a CRC-32C (Castagnoli's polynomial, 0x1EDC6F41, bits reversed)."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return found


_CRC_TABLE = _table()


def masked_crc(content: bytes) -> int:
    """TFRecord's checksum: a CRC-32C, rotated and shifted so that it is no CRC of data that hold CRCs."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
