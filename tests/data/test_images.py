"""Images as they are evaluated, and what is said of those that cannot be."""

import hashlib
import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base import concurrency
from quant_accuracy.base.errors import DataError
from quant_accuracy.data import images, shards
from quant_accuracy.reporting.pictures import pictures
from quant_accuracy.settings.card import DataPaths
from tests.fuzz.data_kinds import bomb
from tests.support.places import REFERENCE
from tests.support.records import (
    PIXELS,
    SIZE,
    as_bytes,
    as_int64,
    encoded,
    example,
    example_of,
    of_tensorflow,
    read_in_all_ways,
    write,
    write_framed,
)

# Of the pixels of small images of many kinds, by TensorFlow 1.15.5, at each of some sizes.
_PIXELS = REFERENCE / "pixels"
_DIGESTS = _PIXELS / "digests.json"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_small_file_that_says_it_is_a_huge_image_is_refused(convert: Callable[..., DataPaths]) -> None:
    data = convert()
    write_framed(data, example_of(image_encoded=bomb("PNG"), image_source_id=b"7"))

    with pytest.raises(DataError, match="12000x12000"):
        list(images.stream(shards.find_shards(data.dataset_dir, data.pattern), 1, 30, 30))


def _stream(data: DataPaths, batch_size: int = 2) -> List[images.Batch]:
    found = shards.find_shards(data.dataset_dir, data.pattern)
    return list(images.stream(found, batch_size, 30, 30))


def _shard_file(data: DataPaths, index: int = 0) -> Path:
    return sorted(data.dataset_dir.glob(data.pattern))[index]


def test_flipped_bytes_in_a_record_are_named_with_shard_and_record(demo_copy: DataPaths) -> None:
    path = _shard_file(demo_copy, 1)
    content = bytearray(path.read_bytes())
    first = struct.unpack("<Q", content[:8])[0] + 16
    content[first + 12 + 1000] ^= 0xFF
    path.write_bytes(bytes(content))

    with pytest.raises(DataError, match=r"val\.record-00001-of-00002: record 1 is damaged"):
        _stream(demo_copy)


def _rewrite(path: Path, change: Callable[[tf.train.Example], None]) -> None:
    """Write a shard again with its second record changed."""
    records = [tf.train.Example.FromString(content) for content in tf.io.tf_record_iterator(str(path))]
    change(records[1])
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record.SerializeToString())


def test_an_undecodable_image_is_named_by_its_source_id(convert: Callable[..., DataPaths]) -> None:
    data = convert()

    def damage(record: tf.train.Example) -> None:
        encoded = record.features.feature["image/encoded"].bytes_list
        encoded.value[0] = encoded.value[0][:40]

    _rewrite(_shard_file(data), damage)

    with pytest.raises(DataError, match=r"record 1 \(source_id 9\) is not a readable image"):
        _stream(data)


def test_a_record_without_an_image_is_named(convert: Callable[..., DataPaths]) -> None:
    data = convert()
    _rewrite(_shard_file(data), lambda record: record.features.feature.pop("image/encoded"))

    missing = r"record 1 \(source_id 9\) has no image/encoded \(bytes\); it has 'image/filename'"
    with pytest.raises(DataError, match=missing):
        _stream(data)


def test_a_source_id_that_is_no_image_id_is_an_error(convert: Callable[..., DataPaths]) -> None:
    data = convert()

    def rename(record: tf.train.Example) -> None:
        record.features.feature["image/source_id"].bytes_list.value[0] = b"cat.jpg"

    _rewrite(_shard_file(data), rename)

    with pytest.raises(DataError, match="source_id 'cat.jpg' is not a COCO image id"):
        _stream(data)


def test_colour_grayscale_and_png_images_come_as_three_channels(convert: Callable[..., DataPaths]) -> None:
    batches = _stream(convert())

    assert [batch.image_ids.tolist() for batch in batches] == [[7, 9], [21]]
    assert all(batch.sizes.tolist() == [[40, 60]] * len(batch.image_ids) for batch in batches)
    assert batches[0].images.shape == (2, 30, 30, 3)
    gray = batches[0].images[1]
    assert (gray[..., 0] == gray[..., 2]).all()


def test_images_are_those_of_tensorflows_own_bilinear_resize(demo: DataPaths) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)[:1]
    content = next(tf.io.tf_record_iterator(str(found[0].path)))
    encoded = tf.train.Example.FromString(content).features.feature["image/encoded"].bytes_list.value[0]
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(_resize(encoded))

    assert np.array_equal(images.read_images(found, 1, 300, 300)[0][0], wanted.astype(np.uint8))


def _resize(encoded: bytes) -> tf.Tensor:
    image = tf.image.decode_image(encoded, channels=3)
    image.set_shape([None, None, 3])
    return tf.image.resize_images(image, [300, 300])


def test_too_few_calibration_images_are_an_error(convert: Callable[..., DataPaths]) -> None:
    data = convert()

    with pytest.raises(DataError, match="holds 3 images where 4 are needed"):
        images.read_images(shards.find_shards(data.dataset_dir, data.pattern), 4, 30, 30)


def _animated() -> bytes:
    return encoded("GIF", "P", save_all=True, append_images=[Image.new("L", (60, 40), level) for level in (90, 200)])


@pytest.mark.parametrize(("feature", "problem"), [
    (None, "has no image/encoded (bytes); it has 'image/source_id'; write the bytes of a JPEG or PNG there"),
    (as_bytes(b""), "has an empty image/encoded; write the bytes of a JPEG or PNG there"),
    (as_bytes(b"val2017/000000000139.jpg"), "has the text 'val2017/000000000139.jpg' as image/encoded, not the bytes"),
    (as_int64(*range(9)), "has 9 values of image/encoded, not one"),
    (as_int64(3), "has image/encoded as int64, not as bytes"),
    (as_bytes(PIXELS.tobytes()), "has bare pixels as image/encoded, not an encoded image"),
    (as_bytes(encoded("BMP")), "has an image in the format BMP, which TensorFlow does not decode"),
    (as_bytes(encoded("TIFF")), "has an image in the format TIFF, which TensorFlow does not decode"),
    (as_bytes(_animated()), "has a GIF of 3 frames, which is no single image"),
    (as_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"),
     "has a pointer of Git LFS, not the file itself as image/encoded; fetch the file with `git lfs pull`"),
    (as_bytes(encoded("PNG")[:-300]), "is not a readable image ("),
    (as_bytes(b"\x01\x02\xfe" * 50), "is not a readable image (its image cannot be identified); copy the file again"),
])
def test_what_is_in_the_place_of_an_image_is_named(tmp_path: Path, feature: Optional[tf.train.Feature],
                                                   problem: str) -> None:
    sides = {"image__height": as_int64(40), "image__width": as_int64(60)} if "pixels" in problem else {}
    shard = write(tmp_path, example(), example(image__encoded=feature, **sides))

    with pytest.raises(DataError) as caught:
        list(images.stream([shard], 4, 20, 30))

    assert f"{shard.path}: record 1 (source_id 7) {problem}" in str(caught.value)


def test_what_tensorflow_says_of_an_image_that_is_cut_short_is_told(tmp_path: Path) -> None:
    shard = write(tmp_path, example(), example(image__encoded=as_bytes(encoded()[:-300])))

    with pytest.raises(DataError, match=r"record 1 \(source_id 7\) is not a readable image \(.*Invalid JPEG data"):
        list(images.stream([shard], 4, 20, 30))


@pytest.mark.parametrize("content", [
    encoded(), encoded(progressive=True), encoded(mode="L"), encoded(mode="CMYK"), encoded("PNG"),
    encoded("PNG", "P"), encoded("PNG", "LA"), encoded("PNG", "1"), encoded("GIF", "P"),
    encoded("MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))]),
], ids=["jpeg", "progressive", "gray", "cmyk", "png", "palette", "alpha", "bits", "gif", "mpo"])
def test_what_tensorflow_decodes_is_evaluated_whatever_the_record_says_of_its_size(tmp_path: Path,
                                                                                   content: bytes) -> None:
    batch = read_in_all_ways(write(tmp_path, example(image__encoded=as_bytes(content), image__height=as_int64(1))))

    assert batch.sizes.tolist() == [list(SIZE)]
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(tf.image.resize_images(of_tensorflow(content), [20, 30]))
    np.testing.assert_array_equal(batch.images[0], wanted.astype(np.uint8))


def test_a_png_of_16_bits_is_evaluated(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")

    batch = read_in_all_ways(write(tmp_path, example(image__encoded=as_bytes(buffer.getvalue()))))

    assert batch.sizes.tolist() == [list(SIZE)]
    np.testing.assert_array_equal(of_tensorflow(buffer.getvalue())[..., 0], PIXELS[..., 0])
    # And drawn as it is evaluated.
    np.testing.assert_array_equal(np.asarray(pictures.decode(buffer.getvalue())), of_tensorflow(buffer.getvalue()))


@pytest.mark.parametrize("path", sorted(set(_PIXELS.iterdir()) - {_DIGESTS}), ids=lambda path: str(path.name))
def test_pixels_are_those_of_tensorflow_1_15_to_the_last_bit_whatever_version_decodes(tmp_path: Path,
                                                                                      path: Path) -> None:
    known = json.loads(_DIGESTS.read_text(encoding="utf-8"))
    shard = write(tmp_path, example(image__encoded=as_bytes(path.read_bytes())))

    found = [images.read_images([shard], 1, *size)[0] for size in known["sizes"]]

    assert [hashlib.sha256(pixels.tobytes()).hexdigest()[:16] for pixels in found] == known["digests"][path.name]


def test_each_reference_image_has_its_digests() -> None:
    known = json.loads(_DIGESTS.read_text(encoding="utf-8"))

    assert sorted(known["digests"]) == sorted(path.name for path in _PIXELS.iterdir()
                                              if path.suffix != ".json")


def test_what_is_decoded_ahead_is_bounded_however_many_images_there_are(demo: DataPaths) -> None:
    asked: List[int] = []

    def given() -> Iterator[shards.Shard]:
        for shard in shards.find_shards(demo.dataset_dir, demo.pattern):
            asked.append(shard.index)
            yield replace(shard, records=1)

    batches = images.stream(given(), 1, 30, 30)
    next(batches)
    ahead = len(asked)
    batches.close()  # type: ignore[attr-defined]

    assert ahead <= 2 * concurrency.cores() + 1


def test_images_before_a_damaged_record_of_the_same_batch_are_decoded_first(demo_copy: DataPaths) -> None:
    path = _shard_file(demo_copy)
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(bytes(content))
    shard = shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)[0]
    read = images.read([shard], 8)
    found = [next(read) for _ in range((shard.records + 6) // 8)]

    assert [some.first for some in found] == list(range(0, shard.records - 1, 8))
    assert sum(len(some.contents) for some in found) == shard.records - 1
    with pytest.raises(DataError, match=f"record {shard.records - 1} is damaged"):
        next(read)


def test_the_first_unusable_record_is_named_although_a_later_one_of_its_batch_is_damaged(tmp_path: Path) -> None:
    shard = write(tmp_path, example(), example(image__encoded=as_bytes(b"")), example())
    content = bytearray(shard.path.read_bytes())
    content[-100] ^= 0xFF
    shard.path.write_bytes(bytes(content))

    with pytest.raises(DataError, match="record 1 .* has an empty image/encoded"):
        list(images.stream([shard], 4, 20, 30))
