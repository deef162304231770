"""Data: TFRecords, and annotations where they are read and where they are converted."""

import io
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any, Dict, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.data import annotations, framing, images, records, shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.preparation import coco_tfrecords
from quant_accuracy.scoring import coco, matching
from tests.fuzz import mutations
from tests.fuzz.kind import SIZE, Kind, at, json_kind


def _picture(random: Random, form: str) -> bytes:
    pixels = np.frombuffer(bytes(random.randrange(256) for _ in range(SIZE[0] * SIZE[1] * 3)), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels.reshape(*SIZE, 3)).save(buffer, form)
    return buffer.getvalue()


def _example(number: int, content: bytes) -> tf.train.Example:
    def of_bytes(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    return tf.train.Example(features=tf.train.Features(feature={
        "image/encoded": of_bytes(content), "image/source_id": of_bytes(str(number).encode()),
        "image/object/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))}))


def framed(content: bytes) -> bytes:
    """A record with the checksums that belong to it."""
    length = struct.pack("<Q", len(content))
    return length + struct.pack("<I", framing.masked_crc(length)) + content \
        + struct.pack("<I", framing.masked_crc(content))


def tfrecords_kind(_: Path) -> Kind:
    """TFRecords: each image has the size and the bytes that another decoder finds, and no record is passed over."""
    random = Random(0)
    examples = [_example(7 + number, _picture(random, form)) for number, form in enumerate(("JPEG", "PNG", "JPEG"))]
    return Kind(at("data/val.record-00000-of-00001"), lambda random: _damaged_records(random, examples), _use_records)


def _damaged_records(random: Random, examples: Sequence[tf.train.Example]) -> bytes:
    kind = random.randrange(4)
    if kind == 0:
        return mutations.any_bytes(random, b"".join(framed(example.SerializeToString()) for example in examples))
    found = []
    chosen = random.randrange(len(examples))
    for number, example in enumerate(examples):
        copy = tf.train.Example.FromString(example.SerializeToString())
        if kind == 1 and number == chosen:
            _damage_features(random, copy)
        content = copy.SerializeToString()
        found.append(framed(mutations.any_bytes(random, content) if kind == 2 and number == chosen else content))
    if kind == 3:
        # A length that has the right checksum.
        length = struct.pack("<Q", random.choice((0, 1, 2 ** 31, 2 ** 40, 2 ** 62, 2 ** 63, 2 ** 64 - 17, 2 ** 64 - 1)))
        found.insert(random.randrange(4), length + struct.pack("<I", framing.masked_crc(length)) + b"x" * 20)
    return b"".join(found)


def _damage_features(random: Random, example: tf.train.Example) -> None:
    feature = example.features.feature
    name = random.choice(("image/encoded", "image/source_id"))
    values = feature[name].bytes_list.value
    kind = random.randrange(8)
    if kind == 0:
        del feature[name]
    elif kind == 1:
        del values[:]
    elif kind == 2:
        values.append(values[0])
    elif kind == 3:
        feature[name].int64_list.value.append(2 ** 62)
    elif kind == 4:
        feature[name].float_list.value.append(float("nan"))
    elif kind == 5:
        feature["image/source_id"].bytes_list.value[0] = random.choice((
            b"", b"-1", b"1.5", b"9" * 18, b"9" * 19, b"9" * 100000, b"\xff", "٣".encode(), "²".encode(), b" 7",
            b"0007"))
    elif kind == 6:
        feature["image/encoded"].bytes_list.value[0] = random.choice((bomb("PNG"), bomb("JPEG"), _gif()))
    else:
        encoded = feature["image/encoded"].bytes_list
        encoded.value[0] = mutations.any_bytes(random, encoded.value[0])


def bomb(form: str) -> bytes:
    """A small file that says it is a huge image."""
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, form)
    content = buffer.getvalue()
    if form == "PNG":
        header = b"IHDR" + struct.pack(">II", 12000, 12000) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", 65000, 65000) + content[start + 4:]


def _gif() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16)).save(buffer, "GIF")
    return buffer.getvalue()


def _use_records(path: Path) -> None:
    (shard,) = shards.find_shards(path.parent, "val.record-*-of-00001")
    batches = list(images.stream([shard], 2, 16, 24))
    ids = [int(image) for batch in batches for image in batch.image_ids]
    sizes = [tuple(size) for batch in batches for size in batch.sizes.tolist()]
    assert images.read_ids(shard) == ids
    encoded = records.read_encoded(path, range(shard.records))
    assert [encoded[number].image_id for number in range(shard.records)] == ids
    assert all(batch.images.dtype == np.uint8 and batch.images.shape[1:] == (16, 24, 3) for batch in batches)
    for number, (height, width) in enumerate(sizes):
        try:
            with Image.open(io.BytesIO(encoded[number].content)) as picture:
                assert picture.size == (width, height)
        except (OSError, SyntaxError, Image.DecompressionBombError):
            # TensorFlow reads some damaged images that Pillow does not.
            assert min(height, width) > 0


def _coco() -> Dict[str, Any]:
    boxes = [{"id": number, "image_id": 7 + number % 2, "category_id": 3 + number % 2,
              "bbox": [1.0 + number, 2, 10, 8], "area": 80.0, "iscrowd": int(number == 3)} for number in range(5)]
    return {"info": {"description": "fuzz"}, "licenses": [],
            "images": [{"id": 7 + number, "file_name": f"{number}.png", "width": SIZE[1], "height": SIZE[0]}
                       for number in range(2)],
            "annotations": boxes, "categories": [{"id": 3, "name": "car"}, {"id": 4, "name": "bus"}]}


def annotations_kind(folder: Path) -> Kind:
    """Annotations: figures are what they can be, and every image and every annotation counts."""
    return json_kind("instances.json", _coco(), _use_annotations)


def _use_annotations(path: Path) -> None:
    truth = annotations.load(path)
    found = [Detections(np.array([[0.1, 0.1, 0.5, 0.5], [0.0, 0.0, 0.9, 0.9]], np.float32),
                        np.array([0.9, 0.4], np.float32), np.array([3, 4], np.int32))] * 2
    part = store.gather([np.array([7, 8])], [np.array([SIZE, SIZE])], found)
    merged = merge.merge([(Shard(0, path, 2, 2), part)], truth)
    metrics = coco.score_matches(matching.match(merged, truth), truth, len(merged.results))
    assert metrics.images == 2
    assert sorted(metrics.per_class) == sorted(truth.categories.values())
    for value in (*metrics.figures.values(), *metrics.per_class.values()):
        assert value is None or 0.0 <= value <= 1.0
    assert sum(map(len, truth.by_image().values())) == len(truth.document["annotations"])


def images_kind(folder: Path) -> Kind:
    """Annotations where they are converted: what is written can be read, and holds every image."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        (folder / f"{number}.png").write_bytes(_picture(Random(number), "PNG"))

    def use(path: Path) -> None:
        for old in folder.glob("out.record*"):
            old.unlink()
        converted = coco_tfrecords.convert(folder, path, folder / "out.record", 2)
        found = shards.find_shards(folder, "out.record-*-of-00002")
        ids = [image for shard in found for image in images.read_ids(shard)]
        assert sorted(ids) == sorted(annotations.load(path).images)
        assert len(converted.dropped) + converted.boxes == len(annotations.load(path).document["annotations"])

    return json_kind("coco.json", _coco(), use)
