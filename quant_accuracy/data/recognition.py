"""What a file is that is not what it should be: known by its first bytes, named with a remedy of its own."""

import re
from typing import NamedTuple, Optional

from quant_accuracy.base import invocation

# So many bytes are enough to tell.
HEAD = 512

_GIT_LFS = b"version https://git-lfs.github.com/spec/"


class Recognized(NamedTuple):
    """A kind of file.

    Attributes:
        name: What it is, as in "it is ...".
        remedy: What to do.
    """

    name: str
    remedy: str


_PACKED = "unpack it, and name what was in it"
GZIP = Recognized("a gzip file", _PACKED)
_SIGNATURES = (
    (b"PK\x03\x04", Recognized("a ZIP archive", _PACKED)),
    (b"\x1f\x8b", GZIP),
    (b"BZh", Recognized("a bzip2 file", _PACKED)),
    (b"\xfd7zXZ\x00", Recognized("an xz file", _PACKED)),
    (b"7z\xbc\xaf\x27\x1c", Recognized("a 7z archive", _PACKED)),
    (b"\xff\xd8\xff", Recognized("a JPEG image", f"make TFRecords of the images with {invocation.CREATE_TFRECORDS}")),
    (b"\x89PNG", Recognized("a PNG image", f"make TFRecords of the images with {invocation.CREATE_TFRECORDS}")),
    (b"\x89HDF", Recognized("an HDF5 file", f"make TFRecords with {invocation.CREATE_TFRECORDS}")),
    (b"PAR1", Recognized("a Parquet file", "write its rows in the form that is asked for")),
    (b"\x93NUMPY", Recognized("a NumPy array", "write it in the form that is asked for")),
)


def recognize(head: bytes) -> Optional[Recognized]:
    """What a file is that begins with these bytes; None where that is not known.

    Args:
        head: Its first `HEAD` bytes, or all that it has.
    """
    if head.startswith(_GIT_LFS):
        return Recognized("a pointer of Git LFS, not the file itself", "fetch the file with `git lfs pull`")
    if re.match(rb"\s*<(!doctype|html|\?xml)", head, re.IGNORECASE):
        return Recognized("a web page", "the download failed: download the file again")
    return next((found for start, found in _SIGNATURES if head.startswith(start)), None)
