"""Files that are something else are named for what they are."""

import gzip
import zlib
from pathlib import Path

import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import shards
from tests.support.records import encoded


@pytest.mark.parametrize(("content", "what"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
     "it is a pointer of Git LFS, not the file itself; fetch the file with `git lfs pull`"),
    (b"\n<!DOCTYPE html><html><body>404</body></html>", "it is a web page; the download failed: download the file"),
    (b"PK\x03\x04" + bytes(40), "it is a ZIP archive; unpack it"),
    (encoded(), "it is a JPEG image; make TFRecords of the images with "),
    (gzip.compress(b"no records at all"), "record 0 is cut short or its length is damaged, or this is not a TFRecord"),
    (zlib.compress(b"no records at all, but long enough"), "or this is not a TFRecord file"),
    (b"just some text that somebody has put here", "or this is not a TFRecord file; copy the file again"),
])
def test_a_file_that_holds_no_records_is_named_for_what_it_is(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "odd.record").write_bytes(content)

    with pytest.raises(DataError) as caught:
        shards.find_shards(tmp_path, "odd.record")

    assert str(caught.value).startswith(str(tmp_path / "odd.record"))
    assert what in str(caught.value)
