"""Annotations, shards and images: what is read, and what is said of damaged files."""

import json
import struct
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.data import annotations, images, shards
from quant_accuracy.demo import dataset
from quant_accuracy.preparation import coco_tfrecords
from quant_accuracy.settings.card import DataPaths


def _stream(data: DataPaths, batch_size: int = 2) -> List[images.Batch]:
    found = shards.find_shards(data.dataset_dir, data.pattern)
    return list(images.stream(found, batch_size, 30, 30))


def _shard_file(data: DataPaths, index: int = 0) -> Path:
    return sorted(data.dataset_dir.glob(data.pattern))[index]


@pytest.mark.parametrize(("text", "numbers"), [("0", [0]), ("0,3-5", [0, 3, 4, 5]), (" 2 - 3 ,2", [2, 3])])
def test_a_selection_names_shards(text: str, numbers: List[int]) -> None:
    assert shards.parse_selection(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "5-3", "1,,2", "-1", "1-"])
def test_a_wrong_selection_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write '0,3-5'"):
        shards.parse_selection(text)


def test_a_selection_is_written_as_it_is_read() -> None:
    assert shards.format_selection([5, 0, 4, 3, 9]) == "0,3-5,9"


def test_selected_shards_keep_their_numbers(demo: DataPaths) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)

    assert [shard.index for shard in shards.select(found, "0,3-5")] == [0, 3, 4, 5]
    with pytest.raises(ConfigurationError, match="no shard 10; the data set has 0-9"):
        shards.select(found, "9-10")


def test_the_number_of_examples_cuts_the_last_shard(demo: DataPaths) -> None:
    found = shards.find_shards(demo.dataset_dir, demo.pattern)

    assert [shard.records for shard in shards.select(found, None, 45)] == [20, 20, 5]
    with pytest.raises(ConfigurationError, match="hold 200 images; ask for 1 to 200"):
        shards.select(found, None, 201)


def test_no_file_for_the_pattern_is_an_error(demo: DataPaths) -> None:
    with pytest.raises(DataError, match="nothing.record.*no file matches"):
        shards.find_shards(demo.dataset_dir, "nothing.record-*")


def test_a_missing_shard_is_named(demo_copy: DataPaths) -> None:
    _shard_file(demo_copy, 1).unlink()

    with pytest.raises(DataError, match="the shards 1 are missing"):
        shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)


def test_a_truncated_shard_is_named_with_its_record(demo_copy: DataPaths) -> None:
    path = _shard_file(demo_copy)
    path.write_bytes(path.read_bytes()[:-7])

    with pytest.raises(DataError, match=r"val\.record-00000-of-00002: record 19 is cut short"):
        shards.find_shards(demo_copy.dataset_dir, demo_copy.pattern)


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


@pytest.mark.parametrize(("content", "message"), [
    ("{", "not readable as JSON"),
    ("[]", "holds a list"),
    ("{}", "no list 'images'"),
    ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\[0\] lacks width, height"),
])
def test_annotations_that_are_not_cocos_are_an_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(content)

    with pytest.raises(DataError, match=message):
        annotations.load(path)


_BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]}


@pytest.mark.parametrize(("change", "message"), [
    ({"image_id": 8}, "belongs to image 8, which is not among the images"),
    ({"category_id": 4}, "category 4, which is not among the categories"),
    ({"bbox": [1, 1, 5]}, "four finite numbers"),
    ({"bbox": [1, 1, 5, float("nan")]}, "four finite numbers"),
    ({"area": "large"}, "the area 'large'"),
    ({"area": -4.0}, "the area -4.0"),
    ({"iscrowd": 2}, "iscrowd 2"),
    ({"image_id": []}, r"belongs to image \[\], which is not a whole number"),
])
def test_an_annotation_that_contradicts_the_file_is_named(coco_folder: Callable[..., Path], change: Any,
                                                          message: str) -> None:
    folder = coco_folder(annotations=[{**_BOX, **change}])

    with pytest.raises(DataError, match=f"annotation 1.*{message}"):
        annotations.load(folder / "instances.json")


def test_an_id_that_is_there_twice_is_an_error(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(annotations=[_BOX, _BOX])

    with pytest.raises(DataError, match="annotations has the id 1 twice"):
        annotations.load(folder / "instances.json")


def test_records_have_the_fields_of_the_object_detection_api(convert: Callable[..., DataPaths]) -> None:
    data = convert()

    records = [tf.train.Example.FromString(content) for content in tf.io.tf_record_iterator(str(_shard_file(data)))]

    first = records[0].features.feature
    assert first["image/source_id"].bytes_list.value[:] == [b"7"]
    assert first["image/filename"].bytes_list.value[:] == [b"colour.jpg"]
    assert [r.features.feature["image/format"].bytes_list.value[0] for r in records] == [b"jpeg", b"jpeg", b"png"]
    assert first["image/object/class/label"].int64_list.value[:] == [3, 90]
    assert first["image/object/class/text"].bytes_list.value[:] == [b"car", b"toothbrush"]
    assert first["image/object/is_crowd"].int64_list.value[:] == [0, 1]
    np.testing.assert_allclose(first["image/object/bbox/xmin"].float_list.value, [0.1, 0.0])
    np.testing.assert_allclose(first["image/object/bbox/ymax"].float_list.value, [0.6, 1.0])
    assert records[1].features.feature["image/object/class/label"].int64_list.value[:] == []


def test_a_box_outside_its_image_is_left_out_and_said_so(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(annotations=[{**_BOX, "bbox": [50, 1, 20, 5]}, {**_BOX, "id": 2, "bbox": [1, 1, 0, 5]}])

    converted = coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)

    assert converted.boxes == 0
    assert converted.dropped == ["annotation 1 of image 7: the box leaves the image",
                                 "annotation 2 of image 7: the box is empty"]


@pytest.mark.parametrize(("damage", "message"), [
    (lambda path: path.write_bytes(path.read_bytes()[:300]), "image 9 is damaged"),
    (lambda path: path.unlink(), "image 9 cannot be read"),
    (lambda path: path.write_bytes(b"GIF89a"), "image 9 is damaged"),
])
def test_a_damaged_image_is_named_and_no_shard_is_left(coco_folder: Callable[..., Path],
                                                       damage: Callable[[Path], None], message: str) -> None:
    folder = coco_folder()
    damage(folder / "gray.jpg")

    with pytest.raises(DataError, match=f"gray.jpg: {message}"):
        coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 2)
    assert not [path for path in folder.iterdir() if "record" in path.name]


def test_a_file_name_cannot_leave_the_image_folder(coco_folder: Callable[..., Path]) -> None:
    images_section = [{"id": 7, "file_name": "../secret.jpg", "width": 60, "height": 40}]
    folder = coco_folder(images=images_section, annotations=[])

    with pytest.raises(DataError, match="image 7 lies outside"):
        coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)


def test_the_demo_has_what_coco_has(demo: DataPaths) -> None:
    document = json.loads(demo.annotations.read_text())
    sizes = np.array([[image["width"], image["height"]] for image in document["images"]])
    per_image = np.bincount([[image["id"] for image in document["images"]].index(thing["image_id"])
                             for thing in document["annotations"]], minlength=200)

    assert len(document["images"]) == 200
    assert len(document["categories"]) >= 10
    assert max(category["id"] for category in document["categories"]) == 90
    assert sizes.min() >= 239
    assert sizes.max() <= 640
    assert (sizes[:, 0] != sizes[:, 1]).all()
    assert (per_image == 0).any()
    assert any(thing["iscrowd"] for thing in document["annotations"])


def test_a_drawn_image_does_not_depend_on_how_many_are_drawn(tmp_path: Path) -> None:
    few, _ = dataset.write_coco(tmp_path / "few", 2, seed=5)
    more, _ = dataset.write_coco(tmp_path / "more", 4, seed=5)
    other, _ = dataset.write_coco(tmp_path / "other", 2, seed=6)

    drawn = {path.name: path.read_bytes() for path in few.iterdir()}
    assert drawn == {name: (more / name).read_bytes() for name in drawn}
    assert drawn != {name: (other / name).read_bytes() for name in drawn}


def test_categories_of_one_name_are_told_apart_by_id(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(categories=[{"id": 3, "name": "car"}, {"id": 90, "name": "car"}, {"id": 5, "name": "bus"}])

    found = annotations.load(folder / "instances.json")

    assert found.categories == {3: "car (3)", 90: "car (90)", 5: "bus"}
