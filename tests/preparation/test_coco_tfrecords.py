"""Images as cameras and other programs write them, from their files to what the evaluation decodes."""

import io
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import annotations, images, shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.preparation import coco_tfrecords
from tests.data.test_records import _of_tensorflow, encoded
from tools import create_coco_tfrecords

_NO_DETECTIONS = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def _marked(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(exif=exif.tobytes())


def _folder(coco_folder: Callable[..., Path], content: bytes, name: str = "odd.jpg", **image: Any) -> Path:
    """COCO's layout with one image."""
    entry = {"id": 7, "file_name": name, "width": 60, "height": 40, **image}
    folder = coco_folder(images=[entry], annotations=[])
    (folder / "odd.jpg").write_bytes(content)
    return folder


def _converted(folder: Path) -> coco_tfrecords.Converted:
    return coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)


def _batch(folder: Path) -> images.Batch:
    (batch,) = images.stream(shards.find_shards(folder, "coco.record-*-of-00001"), 1, 20, 30)
    return batch


@pytest.mark.parametrize(("content", "form"), [
    (encoded("MPO", save_all=True, append_images=[Image.new("RGB", (16, 16))]), b"jpeg"),
    (encoded(mode="L"), b"jpeg"), (encoded(mode="CMYK"), b"jpeg"), (encoded(progressive=True), b"jpeg"),
    (encoded("PNG"), b"png"), (encoded("PNG", "P"), b"png"), (encoded("GIF", "P"), b"gif"),
], ids=["two pictures", "gray", "cmyk", "progressive", "png", "palette", "gif"])
def test_an_image_that_tensorflow_decodes_keeps_its_bytes(coco_folder: Callable[..., Path], content: bytes,
                                                          form: bytes) -> None:
    folder = _folder(coco_folder, content)

    (path,) = _converted(folder).shards

    (record,) = tf.io.tf_record_iterator(str(path))
    feature = tf.train.Example.FromString(record).features.feature
    assert feature["image/encoded"].bytes_list.value[0] == content
    assert feature["image/format"].bytes_list.value[0] == form
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(tf.image.resize_images(_of_tensorflow(content), [20, 30]))
    np.testing.assert_array_equal(_batch(folder).images[0], wanted.astype(np.uint8))


def _gif() -> bytes:
    return encoded("GIF", "P", save_all=True, append_images=[Image.new("P", (60, 40)), Image.new("P", (60, 40), 9)])


@pytest.mark.parametrize(("content", "problem"), [
    (encoded("BMP"), "is BMP, which TensorFlow's decoder does not read; convert it to JPEG or PNG"),
    (encoded("TIFF"), "is TIFF, which TensorFlow's decoder does not read; convert it to JPEG or PNG"),
    (_gif(), "is a GIF of 3 frames, which TensorFlow's decoder does not read; convert it to JPEG or PNG"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
     "is a pointer of Git LFS, not the file itself; fetch the file with `git lfs pull`"),
    (b"<html>no such image</html>", "is a web page; the download failed: download the file again"),
    (encoded()[:-400], "is damaged"), (b"", "is empty"),
])
def test_an_image_that_cannot_be_decoded_is_named_for_what_it_is(coco_folder: Callable[..., Path], content: bytes,
                                                                 problem: str) -> None:
    folder = _folder(coco_folder, content)

    with pytest.raises(DataError) as caught:
        _converted(folder)

    assert f"odd.jpg: image 7 {problem}" in str(caught.value)


def test_converting_an_image_as_the_message_says_is_a_remedy(coco_folder: Callable[..., Path]) -> None:
    folder = _folder(coco_folder, encoded("BMP"))
    with pytest.raises(DataError, match="convert it to JPEG or PNG"):
        _converted(folder)

    Image.open(str(folder / "odd.jpg")).save(str(folder / "odd.jpg"), "PNG")

    assert _converted(folder).images == 1


def test_a_mark_that_turns_an_image_is_reported_and_not_followed(coco_folder: Callable[..., Path],
                                                                 capsys: pytest.CaptureFixture) -> None:
    folder = _folder(coco_folder, _marked(6))

    status = create_coco_tfrecords.main(["--image-dir", str(folder), "--annotations-file",
                                         str(folder / "instances.json"), "--output-prefix",
                                         str(folder / "coco.record"), "--num-shards", "1"])

    assert status == 0
    assert ("check the annotations of image 7 (odd.jpg): its EXIF orientation 6 has viewers show it turned by 90 "
            "degrees; TensorFlow takes the pixels as they are stored") in capsys.readouterr().err
    assert _batch(folder).sizes.tolist() == [[40, 60]]


def test_an_image_without_such_a_mark_is_not_mentioned(coco_folder: Callable[..., Path]) -> None:
    assert _converted(_folder(coco_folder, _marked(1))).turned == []


def test_sizes_of_the_turned_image_are_named_with_the_mark(coco_folder: Callable[..., Path]) -> None:
    folder = _folder(coco_folder, _marked(8), width=40, height=60)

    with pytest.raises(DataError, match=r"image 7 is 60x40 \(its EXIF orientation 8 .* turned by 270 degrees.*\), but "
                                        r"its annotation says 40x60; annotate it as it is stored, or turn its pixels"):
        _converted(folder)


@pytest.mark.parametrize("name", ["train\\odd.jpg", "train/ODD.JPG", "train\\Odd.Jpg", "./train/odd.jpg"])
def test_names_that_windows_takes_for_the_file_are_the_file(coco_folder: Callable[..., Path], name: str) -> None:
    folder = _folder(coco_folder, encoded(), name)
    (folder / "train").mkdir()
    (folder / "odd.jpg").rename(folder / "train" / "odd.jpg")

    assert _converted(folder).images == 1


def test_a_name_that_two_files_have_on_windows_is_neither(coco_folder: Callable[..., Path]) -> None:
    folder = _folder(coco_folder, encoded(), "ODD.jpg")
    (folder / "odd.JPG").write_bytes(encoded())

    with pytest.raises(DataError, match="ODD.jpg: image 7 cannot be read .*; complete the image folder"):
        _converted(folder)


def test_the_folder_that_file_names_are_relative_to_is_named(coco_folder: Callable[..., Path]) -> None:
    folder = _folder(coco_folder, encoded(), "coco/odd.jpg")

    with pytest.raises(DataError, match=f"give --image-dir {folder.parent}"):
        _converted(folder)
    assert coco_tfrecords.convert(folder.parent, folder / "instances.json", folder / "coco.record", 1).images == 1


def test_a_file_that_lies_elsewhere_in_the_folder_is_named(coco_folder: Callable[..., Path]) -> None:
    folder = _folder(coco_folder, encoded(), "C:\\data\\val\\odd.jpg")

    with pytest.raises(DataError, match=f"{folder} has it as odd.jpg: repair its file_name"):
        _converted(folder)


@pytest.mark.parametrize("image", [10 ** 17 + 1, (1 << 63) - 1, -4, "000000000139", 139.0])
def test_ids_are_written_as_the_evaluation_reads_them(coco_folder: Callable[..., Path], image: Any) -> None:
    folder = _folder(coco_folder, encoded(), id=image)
    _converted(folder)

    found = _batch(folder).image_ids.tolist()

    assert found == [int(image)]
    assert list(annotations.load(folder / "instances.json").images) == found


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
    folder = _folder(coco_folder, encoded())
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
