"""Merging shards to one table: complete, in any order, and images as the annotations have them."""

import io
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import annotations, images, shards
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.preparation import coco_tfrecords
from tests.support.detections import shard_detections
from tests.support.records import encoded, odd_folder


def _shard(index: int, records: int) -> Shard:
    return Shard(index, Path(f"val-{index:05d}-of-00002"), records, records)


@pytest.fixture
def truth(coco_folder: Callable[..., Path]) -> Annotations:
    return annotations.load(coco_folder() / "instances.json")


def test_merged_boxes_are_pixels_of_the_original_image(truth: Annotations) -> None:
    merged = merge.merge([(_shard(0, 1), shard_detections(7, per_image=1))], truth)

    np.testing.assert_allclose(merged.results.boxes, [[6.0, 10.0, 30.0, 20.0]], rtol=1e-6)
    np.testing.assert_allclose(merged.results.scores, [0.9], rtol=1e-6)
    assert (merged.results.images.tolist(), merged.results.categories.tolist()) == ([7], [3])
    assert next(merged.as_coco())["category_id"] == 3


def test_merging_does_not_depend_on_the_order_of_shards(truth: Annotations) -> None:
    parts = [(_shard(0, 2), shard_detections(21, 7)), (_shard(1, 1), shard_detections(9))]

    forward, backward = merge.merge(parts, truth), merge.merge(parts[::-1], truth)

    assert forward.results.equals(backward.results)
    assert forward.image_ids.tolist() == [7, 9, 21]


@pytest.mark.parametrize(("parts", "message"), [
    ([(_shard(0, 1), shard_detections(7)), (_shard(0, 1), shard_detections(9))], "shard 0 was evaluated twice"),
    ([(_shard(0, 1), shard_detections(7)), (_shard(1, 1), shard_detections(7))], "image 7 was evaluated before"),
    ([(_shard(0, 2), shard_detections(7))], "1 of 2 images were evaluated"),
    ([(_shard(0, 1), shard_detections(8))], "image 8 is not in"),
])
def test_missing_repeated_and_unknown_parts_are_refused(truth: Annotations, parts: List[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        merge.merge(parts, truth)


def test_an_image_of_another_size_than_annotated_is_refused(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=[{"id": 7, "file_name": "x", "width": 61, "height": 40}], annotations=[])

    with pytest.raises(DataError, match=r"image 7 is 60x40, but .* says 61x40"):
        merge.merge([(_shard(0, 1), shard_detections(7))], annotations.load(folder / "instances.json"))


def test_a_model_that_knows_no_category_of_the_annotations_is_refused(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(categories=[{"id": 5, "name": "other"}], annotations=[])

    with pytest.raises(DataError, match=r"none of the detected category ids \[3\]"):
        merge.merge([(_shard(0, 1), shard_detections(7))], annotations.load(folder / "instances.json"))


_NO_DETECTIONS = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def _converted(folder: Path) -> coco_tfrecords.Converted:
    return coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)


def _record_of(folder: Path, content: bytes, said: bytes) -> Shard:
    """A shard of an image whose record speaks of another: what converters leave that change an image afterwards."""
    _converted(folder)
    path = folder / "coco.record-00000-of-00001"
    (record,) = tf.io.tf_record_iterator(str(path))
    example = tf.train.Example.FromString(record)
    example.features.feature["image/encoded"].bytes_list.value[0] = content
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(example.SerializeToString())
    return shards.find_shards(folder, "coco.record-*-of-00001")[0]


def _resized(width: int, height: int, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (9, 99, 200)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("content", "why"), [
    (_resized(30, 30), "is 30x30, but .* says 60x40; the record says so too in image/height and image/width, so its "
                       "image was changed without them: make the TFRecords again"),
    (_resized(40, 60, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
     "is 40x60, but .* says 60x40; its EXIF orientation 6 has viewers show it turned by 90 degrees.*annotate it as it"),
])
def test_an_image_of_another_size_than_annotated_is_explained(coco_folder: Callable[..., Path], content: bytes,
                                                              why: str) -> None:
    folder = odd_folder(coco_folder, encoded())
    shard = _record_of(folder, content, b"")
    (batch,) = images.stream([shard], 1, 20, 30)
    part = store.gather([batch.image_ids], [batch.sizes], [_NO_DETECTIONS])

    with pytest.raises(DataError, match=f"image 7 {why}"):
        merge.merge([(shard, part)], annotations.load(folder / "instances.json"))


def test_a_shard_of_resized_images_is_named_as_such(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder()
    truth = annotations.load(folder / "instances.json")
    part = store.gather([np.array([7, 9])], [np.full([2, 2], 300)], [_NO_DETECTIONS] * 2)

    with pytest.raises(DataError, match=r"image 7 is 300x300, but .* says 60x40 \(2 of 2 images of this shard "
                                        r"differ\); all images of this shard are 300x300, so they were resized before"):
        merge.merge([(Shard(0, folder / "gone.record", 2, 2), part)], truth)


def test_a_single_wrong_size_in_a_shard_is_counted(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder()
    truth = annotations.load(folder / "instances.json")
    part = store.gather([np.array([7, 9])], [np.array([[40, 60], [41, 60]])], [_NO_DETECTIONS] * 2)

    with pytest.raises(DataError, match=r"image 9 is 60x41, but .* says 60x40 \(1 of 2 images of this shard differ\); "
                                        "use the annotations that belong to these TFRecords"):
        merge.merge([(Shard(0, folder / "gone.record", 2, 2), part)], truth)
