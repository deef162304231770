"""Records as other writers make them: read where they mean one thing, named for what they are where they do not."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import framing, images, records, shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.reporting.pictures import pictures

_SIZE = (40, 60)
_PIXELS = np.kron(np.random.RandomState(0).randint(0, 256, (5, 6, 3)), np.ones((8, 10, 1))).astype(np.uint8)


def encoded(form: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    """The same picture in any format."""
    buffer = io.BytesIO()
    Image.fromarray(_PIXELS).convert(mode).save(buffer, form, **options)
    return buffer.getvalue()


def _bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _int64(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _float(*values: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def example(**features: Optional[tf.train.Feature]) -> bytes:
    """A record of image 7 with these features, `__` for a slash in their names; None leaves one out."""
    found: Dict[str, Optional[tf.train.Feature]] = {"image/source_id": _bytes(b"7"), "image/encoded": _bytes(encoded())}
    found.update({name.replace("__", "/"): value for name, value in features.items()})
    return bytes(tf.train.Example(features=tf.train.Features(
        feature={name: value for name, value in found.items() if value is not None})).SerializeToString())


def write(folder: Path, *contents: bytes, compression: str = "") -> Shard:
    """A shard of these records."""
    path = folder / "odd.record"
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression)) as writer:
        for content in contents:
            writer.write(content)
    return shards.find_shards(folder, "odd.record")[0]


def _read_in_all_ways(shard: Shard) -> images.Batch:
    (batch,) = images.stream([shard], 4, 20, 30)
    assert images.read_ids(shard) == batch.image_ids.tolist()
    found = records.read_encoded(shard.path, range(shard.records))
    assert [found[number].image_id for number in range(shard.records)] == batch.image_ids.tolist()
    return batch


@pytest.mark.parametrize(("source_id", "image"), [
    (_bytes(b"000000000139"), 139), (_bytes(b" 42 "), 42), (_bytes(b"42\0\0"), 42), (_bytes(b"139.0"), 139),
    (_bytes(b"-3"), -3), (_bytes(b"100000000000000001"), 10 ** 17 + 1), (_bytes(b"9223372036854775807"), (1 << 63) - 1),
    (_int64(139), 139), (_int64((1 << 63) - 1), (1 << 63) - 1), (_int64(-3), -3), (_float(139.0), 139),
])
def test_an_id_in_any_form_is_the_image_that_it_names(tmp_path: Path, source_id: tf.train.Feature, image: int) -> None:
    batch = _read_in_all_ways(write(tmp_path, example(image__source_id=source_id)))

    assert batch.image_ids.tolist() == [image]
    assert batch.image_ids.dtype == np.int64


_REMEDY = "write the COCO image id there, or make the file with tools/create_coco_tfrecords.py"


@pytest.mark.parametrize(("source_id", "problem"), [
    (None, "record 1 has no image/source_id (bytes or int64); it has 'image/encoded'; "),
    (_bytes(), "record 1 has 0 values of image/source_id, not one; "),
    (_bytes(b"1", b"2"), "record 1 has 2 values of image/source_id, not one; "),
    (tf.train.Feature(), "record 1 has 0 values of image/source_id, not one; "),
    (_bytes(b""), "record 1 has an empty image/source_id; "),
    (_bytes(b"  "), "record 1 has an empty image/source_id; "),
    (_bytes(b"cat.jpg"), "the source_id 'cat.jpg' is not a COCO image id, it is not a whole number"),
    (_bytes(b"7.5"), "the source_id '7.5' is not a COCO image id, it is not a whole number"),
    (_float(7.5), "the source_id 7.5 is not a COCO image id, it is not a whole number"),
    (_float(1e9), "it was written as a float of 32 bits, which holds whole numbers exactly up to 2^24 only"),
    (_bytes(b"9" * 19), "it is too large; an id is a whole number of 64 bits, -2^63 to 2^63 - 1; "),
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


def _animated() -> bytes:
    return encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (60, 40)), Image.new("P", (60, 40), 9)])


@pytest.mark.parametrize(("feature", "problem"), [
    (None, "has no image/encoded (bytes); it has 'image/source_id'; write the bytes of a JPEG or PNG there"),
    (_bytes(b""), "has an empty image/encoded; write the bytes of a JPEG or PNG there"),
    (_bytes(b"val2017/000000000139.jpg"), "has the text 'val2017/000000000139.jpg' as image/encoded, not the bytes"),
    (_int64(*range(9)), "has 9 values of image/encoded, not one"),
    (_int64(3), "has image/encoded as int64, not as bytes"),
    (_bytes(_PIXELS.tobytes()), "has bare pixels as image/encoded, not an encoded image"),
    (_bytes(encoded("BMP")), "has an image in the format BMP, which TensorFlow does not decode"),
    (_bytes(encoded("TIFF")), "has an image in the format TIFF, which TensorFlow does not decode"),
    (_bytes(_animated()), "has a GIF of 3 frames, which is no single image"),
    (_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
     "has a pointer of Git LFS, not the file itself as image/encoded; fetch the file with `git lfs pull`"),
    (_bytes(encoded()[:-300]), "is not a readable image (Invalid JPEG data"),
    (_bytes(encoded("PNG")[:-300]), "is not a readable image ("),
    (_bytes(b"\x01\x02\xfe" * 50), "is not a readable image (its image cannot be identified); copy the file again"),
])
def test_what_is_in_the_place_of_an_image_is_named(tmp_path: Path, feature: Optional[tf.train.Feature],
                                                   problem: str) -> None:
    sides = {"image__height": _int64(40), "image__width": _int64(60)} if "pixels" in problem else {}
    shard = write(tmp_path, example(), example(image__encoded=feature, **sides))

    with pytest.raises(DataError) as caught:
        list(images.stream([shard], 4, 20, 30))

    assert f"{shard.path}: record 1 (source_id 7) {problem}" in str(caught.value)


def _of_tensorflow(content: bytes) -> np.ndarray:
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.image.decode_image(content, channels=3, expand_animations=False)
        return np.asarray(session.run(image))


@pytest.mark.parametrize("content", [
    encoded(), encoded(progressive=True), encoded(mode="L"), encoded(mode="CMYK"), encoded("PNG"),
    encoded("PNG", "P"), encoded("PNG", "LA"), encoded("PNG", "1"), encoded("GIF", "P"),
    encoded("MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
], ids=["jpeg", "progressive", "gray", "cmyk", "png", "palette", "alpha", "bits", "gif", "mpo"])
def test_what_tensorflow_decodes_is_evaluated_whatever_the_record_says_of_its_size(tmp_path: Path,
                                                                                   content: bytes) -> None:
    batch = _read_in_all_ways(write(tmp_path, example(image__encoded=_bytes(content), image__height=_int64(1))))

    assert batch.sizes.tolist() == [list(_SIZE)]
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(tf.image.resize_images(_of_tensorflow(content), [20, 30]))
    np.testing.assert_array_equal(batch.images[0], wanted.astype(np.uint8))


def test_a_png_of_16_bits_is_evaluated(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(_PIXELS[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")

    batch = _read_in_all_ways(write(tmp_path, example(image__encoded=_bytes(buffer.getvalue()))))

    assert batch.sizes.tolist() == [list(_SIZE)]
    np.testing.assert_array_equal(_of_tensorflow(buffer.getvalue())[..., 0], _PIXELS[..., 0])
    # And drawn as it is evaluated.
    np.testing.assert_array_equal(np.asarray(pictures.decode(buffer.getvalue())), _of_tensorflow(buffer.getvalue()))


def test_a_sequence_example_is_named(tmp_path: Path) -> None:
    sequence = tf.train.SequenceExample()
    sequence.feature_lists.feature_list["image/encoded"].feature.add().bytes_list.value.append(encoded())

    with pytest.raises(DataError, match="record 0 is a tf.train.SequenceExample.*write a tf.train.Example for each"):
        images.read_ids(write(tmp_path, sequence.SerializeToString()))


def test_records_of_something_else_are_named_by_what_they_have(tmp_path: Path) -> None:
    other = example(image__source_id=None, image__encoded=None, label=_int64(3), image_raw=_bytes(b"x"))
    shard = write(tmp_path, other)

    with pytest.raises(DataError, match=r"record 0 has no image/source_id \(.*\); it has 'image_raw', 'label'"):
        list(images.stream([shard], 1, 20, 30))


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_shards_give_what_plain_ones_give(tmp_path: Path, compression: str) -> None:
    contents = [example(image__source_id=_int64(number), image__encoded=_bytes(encoded(quality=50 + number)))
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


@pytest.mark.parametrize(("content", "what"), [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
     "it is a pointer of Git LFS, not the file itself; fetch the file with `git lfs pull`"),
    (b"\n<!DOCTYPE html><html><body>404</body></html>", "it is a web page; the download failed: download the file"),
    (b"PK\x03\x04" + bytes(40), "it is a ZIP archive; unpack it"),
    (encoded(), "it is a JPEG image; make TFRecords of the images with tools/create_coco_tfrecords.py"),
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


def test_a_length_that_begins_as_a_compressed_file_does_is_no_compression(tmp_path: Path) -> None:
    length = 0x088b1f
    content = example(filler=_bytes(bytes(length)))
    cut = len(content) - length
    shard = write(tmp_path, example(filler=_bytes(bytes(length - cut))))

    assert shard.path.read_bytes().startswith(b"\x1f\x8b\x08")
    assert framing.compression(shard.path) == ""
    assert images.read_ids(shard) == [7]


def test_remedies_for_records_work(tmp_path: Path, convert: Callable[..., Any]) -> None:
    """What every remedy names, `tools/create_coco_tfrecords.py`, makes records that are read."""
    data = convert()

    (shard,) = shards.find_shards(data.dataset_dir, data.pattern)

    assert images.read_ids(shard) == [7, 9, 21]
