"""Single records of a shard, against TensorFlow's own reader, and of shards that were really damaged."""

import struct
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import framing, images, records, shards
from quant_accuracy.settings.card import DataPaths
from tests.support.records import as_bytes, as_int64, encoded, example, write


@pytest.fixture
def shard(demo_copy: DataPaths) -> Path:
    """A shard of the demo, to be damaged."""
    return shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)[0].path


def _of_tensorflow(path: Path) -> List[records.EncodedImage]:
    features = [tf.train.Example.FromString(record).features.feature for record in tf.io.tf_record_iterator(str(path))]
    return [records.EncodedImage(int(feature["image/source_id"].bytes_list.value[0]),
                                 feature["image/encoded"].bytes_list.value[0]) for feature in features]


def _starts(path: Path) -> List[int]:
    """Where each record begins."""
    content, found, position = path.read_bytes(), [], 0
    while position < len(content):
        found.append(position)
        position += 16 + struct.unpack_from("<Q", content, position)[0]
    return found


def test_records_hold_what_tensorflow_reads(shard: Path) -> None:
    wanted = _of_tensorflow(shard)

    assert records.read_encoded(shard, [19, 0, 7, 7]) == {number: wanted[number] for number in (0, 7, 19)}
    assert records.read_encoded(shard, range(20)) == dict(enumerate(wanted))
    assert records.read_encoded(shard, []) == {}


def _flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x40
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(("offset", "problem"), [
    (1000, "record 3 is damaged (its checksum is another)"),
    (1, "record 3 is damaged (the checksum of its length is another)"),
    (9, "record 3 is damaged (the checksum of its length is another)"),
    (-2, "record 2 is damaged (its checksum is another)"),
], ids=["content", "length", "checksum of the length", "checksum of the content"])
def test_a_damaged_record_is_named_and_those_before_it_can_be_read(shard: Path, offset: int, problem: str) -> None:
    wanted = _of_tensorflow(shard)
    _flip(shard, _starts(shard)[3] + offset)

    assert records.read_encoded(shard, [1]) == {1: wanted[1]}
    with pytest.raises(DataError) as caught:
        records.read_encoded(shard, [1, 2, 3])
    assert str(caught.value).startswith(f"{shard}: {problem}; copy the file again")


def test_a_damaged_content_does_not_hide_the_records_behind_it(shard: Path) -> None:
    wanted = _of_tensorflow(shard)
    _flip(shard, _starts(shard)[3] + 1000)

    assert records.read_encoded(shard, [4]) == {4: wanted[4]}


def test_a_file_that_is_cut_short_names_the_record(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes()[:_starts(shard)[5] + 500])

    with pytest.raises(DataError, match=r"record 5 is damaged \(it is cut short\)"):
        records.read_encoded(shard, [5])
    with pytest.raises(DataError, match=r"record 7 is damaged \(the file ends before it\)"):
        records.read_encoded(shard, [7])


def test_only_what_is_asked_for_is_read(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: Dict[str, int] = {"checked": 0}
    check: Callable[[bytes], int] = framing.masked_crc

    def counted(content: bytes) -> int:
        sizes["checked"] += len(content)
        return check(content)

    monkeypatch.setattr(framing, "masked_crc", counted)
    image = records.read_encoded(shard, [19])[19]

    assert len(image.content) < sizes["checked"] < len(image.content) + 3000


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_shards_give_what_plain_ones_give(tmp_path: Path, compression: str) -> None:
    contents = [example(image__source_id=as_int64(number), image__encoded=as_bytes(encoded(quality=50 + number)))
                for number in range(5)]
    (tmp_path / "plain").mkdir()
    (tmp_path / "packed").mkdir()
    plain = write(tmp_path / "plain", *contents)
    packed = write(tmp_path / "packed", *contents, compression=compression)

    (wanted,), (found,) = (list(images.stream([shard], 8, 20, 30)) for shard in (plain, packed))

    assert framing.compression(packed.path) == compression
    assert (packed.records, packed.total) == (5, 5)
    np.testing.assert_array_equal(found.images, wanted.images)
    assert images.read_ids(packed) == [0, 1, 2, 3, 4]
    assert records.read_encoded(packed.path, [4, 1]) == records.read_encoded(plain.path, [1, 4])


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_a_compressed_shard_that_ends_early_is_named(tmp_path: Path, compression: str) -> None:
    shard = write(tmp_path, example(), example(), compression=compression)
    shard.path.write_bytes(shard.path.read_bytes()[:-200])

    with pytest.raises(DataError, match=r"odd\.record: the compressed file is damaged|odd\.record: record . is cut"):
        shards.count_records(shard.path)
    with pytest.raises(DataError, match=r"odd\.record: .*copy the file again"):
        records.read_encoded(shard.path, [1])


def test_a_length_that_begins_as_a_compressed_file_does_is_no_compression(tmp_path: Path) -> None:
    length = 0x088b1f
    content = example(filler=as_bytes(bytes(length)))
    cut = len(content) - length
    shard = write(tmp_path, example(filler=as_bytes(bytes(length - cut))))

    assert shard.path.read_bytes().startswith(b"\x1f\x8b\x08")
    assert framing.compression(shard.path) == ""
    assert images.read_ids(shard) == [7]
