"""Records as other writers make them: read where they mean one thing, named for what they are where they do not."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import DataError
from quant_accuracy.data import images, records, shards
from quant_accuracy.settings.card import DataPaths
from tests.support.places import ROOT
from tests.support.records import as_bytes, as_float, as_int64, encoded, example, read_in_all_ways, write, write_framed


@pytest.mark.parametrize(("source_id", "image"), [
    (as_bytes(b"000000000139"), 139), (as_bytes(b" 42 "), 42), (as_bytes(b"42\0\0"), 42), (as_bytes(b"139.0"), 139),
    (as_bytes(b"-3"), -3), (as_bytes(b"100000000000000001"), 10 ** 17 + 1),
    (as_bytes(b"9223372036854775807"), (1 << 63) - 1),
    (as_int64(139), 139), (as_int64((1 << 63) - 1), (1 << 63) - 1), (as_int64(-3), -3), (as_float(139.0), 139),
])
def test_an_id_in_any_form_is_the_image_that_it_names(tmp_path: Path, source_id: tf.train.Feature, image: int) -> None:
    batch = read_in_all_ways(write(tmp_path, example(image__source_id=source_id)))

    assert batch.image_ids.tolist() == [image]
    assert batch.image_ids.dtype == np.int64


_REMEDY = f"write the COCO image id there, or make the file with {invocation.CREATE_TFRECORDS}"


@pytest.mark.parametrize(("source_id", "problem"), [
    (None, "record 1 has no image/source_id (bytes or int64); it has 'image/encoded'; "),
    (as_bytes(), "record 1 has 0 values of image/source_id, not one; "),
    (as_bytes(b"1", b"2"), "record 1 has 2 values of image/source_id, not one; "),
    (tf.train.Feature(), "record 1 has 0 values of image/source_id, not one; "),
    (as_bytes(b""), "record 1 has an empty image/source_id; "),
    (as_bytes(b"  "), "record 1 has an empty image/source_id; "),
    (as_bytes(b"cat.jpg"), "the source_id 'cat.jpg' is not a COCO image id, it is not a whole number"),
    (as_bytes(b"7.5"), "the source_id '7.5' is not a COCO image id, it is not a whole number"),
    (as_float(7.5), "the source_id 7.5 is not a COCO image id, it is not a whole number"),
    (as_float(1e9), "it was written as a float of 32 bits, which holds whole numbers exactly up to 2^24 only"),
    (as_bytes(b"9" * 19), "it is too large; an id is a whole number of 64 bits, -2^63 to 2^63 - 1; "),
])
def test_a_record_without_a_usable_id_is_told_so_and_nothing_of_its_image(
        tmp_path: Path, source_id: Optional[tf.train.Feature], problem: str) -> None:
    shard = write(tmp_path, example(), example(image__source_id=source_id))

    for read in (lambda: list(images.stream([shard], 4, 20, 30)), lambda: images.read_ids(shard),
                 lambda: records.read_encoded(shard.path, [1])):
        with pytest.raises(DataError) as caught:
            read()  # type: ignore[no-untyped-call]
        assert f"{shard.path}: record 1 " in str(caught.value)
        assert problem in str(caught.value)
        assert str(caught.value).endswith(_REMEDY)
        assert "readable" not in str(caught.value)


def test_a_sequence_example_is_named(tmp_path: Path) -> None:
    sequence = tf.train.SequenceExample()
    sequence.feature_lists.feature_list["image/encoded"].feature.add().bytes_list.value.append(encoded())

    with pytest.raises(DataError, match="record 0 is a tf.train.SequenceExample.*write a tf.train.Example for each"):
        images.read_ids(write(tmp_path, sequence.SerializeToString()))


def test_records_of_something_else_are_named_by_what_they_have(tmp_path: Path) -> None:
    other = example(image__source_id=None, image__encoded=None, label=as_int64(3), image_raw=as_bytes(b"x"))
    shard = write(tmp_path, other)

    with pytest.raises(DataError, match=r"record 0 has no image/source_id \(.*\); it has 'image_raw', 'label'"):
        list(images.stream([shard], 1, 20, 30))


def test_remedies_for_records_work(tmp_path: Path, convert: Callable[..., Any]) -> None:
    """What every remedy names, `create-coco-tfrecords`, makes records that are read."""
    data = convert()

    (shard,) = shards.find_shards(data.dataset_dir, data.pattern)

    assert images.read_ids(shard) == [7, 9, 21]


def test_a_record_that_is_no_example_does_not_end_the_process(convert: Callable[..., DataPaths]) -> None:
    data = convert()
    write_framed(data, b"\x0a\xff\xff\xff\xff", b"", b"garbage" * 100)
    script = ("import sys\nfrom pathlib import Path\nfrom quant_accuracy.data import annotations, images, shards\n"
              "from quant_accuracy.base.errors import DataError\n"
              "try:\n    list(images.stream(shards.find_shards(Path(sys.argv[1]), sys.argv[2]), 1, 30, 30))\n"
              "except DataError as error:\n    print(error)\n")

    done = subprocess.run([sys.executable, "-c", script, str(data.dataset_dir), data.pattern], cwd=str(ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    assert done.returncode == 0
    assert "record 0 is not a tf.train.Example; make the file" in done.stdout


def test_a_file_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: No such file"):
        records.read_encoded(tmp_path / "gone", [0])


@pytest.mark.parametrize(("content", "problem"), [
    (b"\xff\xff not an example", "not a tf.train.Example; make the file with"),
    (tf.train.Example().SerializeToString(), r"has no image/source_id \(bytes or int64\); it has no feature at all"),
], ids=["no example", "an empty example"])
def test_a_record_without_an_image_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "odd.record"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(content)

    with pytest.raises(DataError, match=f"odd.record: record 0 .*{problem}"):
        records.read_encoded(path, [0])
