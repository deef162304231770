"""From COCO's files to TFRecords: images as cameras and other programs write them, kept as they are or named."""

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base.errors import DataError
from quant_accuracy.commands import create_coco_tfrecords
from quant_accuracy.data import annotations, images, shards
from quant_accuracy.preparation import coco_tfrecords
from quant_accuracy.settings.card import DataPaths
from tests.support.records import encoded, odd_folder, of_tensorflow


def _marked(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(exif=exif.tobytes())


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
    folder = odd_folder(coco_folder, content)

    (path,) = _converted(folder).shards

    (record,) = tf.io.tf_record_iterator(str(path))
    feature = tf.train.Example.FromString(record).features.feature
    assert feature["image/encoded"].bytes_list.value[0] == content
    assert feature["image/format"].bytes_list.value[0] == form
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(tf.image.resize_images(of_tensorflow(content), [20, 30]))
    np.testing.assert_array_equal(_batch(folder).images[0], wanted.astype(np.uint8))


def _gif() -> bytes:
    # No two are alike: newer versions of Pillow write such as one.
    others = [Image.new("L", (60, 40), grey) for grey in (90, 200)]
    return encoded("GIF", "P", save_all=True, append_images=others)


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
    folder = odd_folder(coco_folder, content)

    with pytest.raises(DataError) as caught:
        _converted(folder)

    assert f"odd.jpg: image 7 {problem}" in str(caught.value)


def test_converting_an_image_as_the_message_says_is_a_remedy(coco_folder: Callable[..., Path]) -> None:
    folder = odd_folder(coco_folder, encoded("BMP"))
    with pytest.raises(DataError, match="convert it to JPEG or PNG"):
        _converted(folder)

    Image.open(str(folder / "odd.jpg")).save(str(folder / "odd.jpg"), "PNG")

    assert _converted(folder).images == 1


def test_a_mark_that_turns_an_image_is_reported_and_not_followed(coco_folder: Callable[..., Path],
                                                                 capsys: pytest.CaptureFixture) -> None:
    folder = odd_folder(coco_folder, _marked(6))

    status = create_coco_tfrecords.main(["--image-dir", str(folder), "--annotations-file",
                                         str(folder / "instances.json"), "--output-prefix",
                                         str(folder / "coco.record"), "--num-shards", "1"])

    assert status == 0
    assert ("check the annotations of image 7 (odd.jpg): its EXIF orientation 6 has viewers show it turned by 90 "
            "degrees; TensorFlow takes the pixels as they are stored") in capsys.readouterr().err
    assert _batch(folder).sizes.tolist() == [[40, 60]]


def test_an_image_without_such_a_mark_is_not_mentioned(coco_folder: Callable[..., Path]) -> None:
    assert _converted(odd_folder(coco_folder, _marked(1))).turned == []


def test_sizes_of_the_turned_image_are_named_with_the_mark(coco_folder: Callable[..., Path]) -> None:
    folder = odd_folder(coco_folder, _marked(8), width=40, height=60)

    with pytest.raises(DataError, match=r"image 7 is 60x40 \(its EXIF orientation 8 .* turned by 270 degrees.*\), but "
                                        r"its annotation says 40x60; annotate it as it is stored, or turn its pixels"):
        _converted(folder)


@pytest.mark.parametrize("name", ["train\\odd.jpg", "train/ODD.JPG", "train\\Odd.Jpg", "./train/odd.jpg"])
def test_names_that_windows_takes_for_the_file_are_the_file(coco_folder: Callable[..., Path], name: str) -> None:
    folder = odd_folder(coco_folder, encoded(), name)
    (folder / "train").mkdir()
    (folder / "odd.jpg").rename(folder / "train" / "odd.jpg")

    assert _converted(folder).images == 1


def test_a_name_that_two_files_have_on_windows_is_neither(coco_folder: Callable[..., Path]) -> None:
    folder = odd_folder(coco_folder, encoded(), "ODD.jpg")
    (folder / "odd.JPG").write_bytes(encoded())

    with pytest.raises(DataError, match="ODD.jpg: image 7 cannot be read .*; complete the image folder"):
        _converted(folder)


def test_the_folder_that_file_names_are_relative_to_is_named(coco_folder: Callable[..., Path]) -> None:
    folder = odd_folder(coco_folder, encoded(), "coco/odd.jpg")

    with pytest.raises(DataError, match=f"give --image-dir {folder.parent}"):
        _converted(folder)
    assert coco_tfrecords.convert(folder.parent, folder / "instances.json", folder / "coco.record", 1).images == 1


def test_a_file_that_lies_elsewhere_in_the_folder_is_named(coco_folder: Callable[..., Path]) -> None:
    folder = odd_folder(coco_folder, encoded(), "C:\\data\\val\\odd.jpg")

    with pytest.raises(DataError, match=f"{folder} has it as odd.jpg: repair its file_name"):
        _converted(folder)


@pytest.mark.parametrize("image", [10 ** 17 + 1, (1 << 63) - 1, -4, "000000000139", 139.0])
def test_ids_are_written_as_the_evaluation_reads_them(coco_folder: Callable[..., Path], image: Any) -> None:
    folder = odd_folder(coco_folder, encoded(), id=image)
    _converted(folder)

    found = _batch(folder).image_ids.tolist()

    assert found == [int(image)]
    assert list(annotations.load(folder / "instances.json").images) == found


@pytest.mark.parametrize("name", ["../secret.jpg", "ABSOLUTE", "inner/../../secret.jpg", "link.jpg",
                                  "folder/secret.jpg", "nul\0.jpg", "long", "x" * 300, "."])
def test_no_file_name_of_an_annotation_leaves_the_image_folder(name: str, coco_folder: Callable[..., Path],
                                                               tmp_path: Path) -> None:
    given = {"ABSOLUTE": str(tmp_path / "secret.jpg"), "long": "x" * 5000}.get(name, name)
    folder = coco_folder(images=[{"id": 7, "file_name": given, "width": 60, "height": 40}], annotations=[])
    (tmp_path / "secret.jpg").write_bytes((folder / "colour.jpg").read_bytes())
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "folder").symlink_to(tmp_path)

    with pytest.raises(DataError, match="image 7"):
        coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)
    assert not list(folder.glob("coco.record*"))


def _shard_file(data: DataPaths, index: int = 0) -> Path:
    return sorted(data.dataset_dir.glob(data.pattern))[index]


_BOX = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]}


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
