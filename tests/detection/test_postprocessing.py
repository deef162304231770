"""Suppression against the Object Detection API's own, and the files and tables of detections."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from object_detection.core import post_processing

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import DataError, StorageError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import annotations, images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import merge, nms, postprocessing, run, store
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.detection.nms import Detections
from quant_accuracy.settings.card import DataPaths, ModelCard

_LIMITS = nms.Parameters(iou_threshold=0.6, score_threshold=1e-8, per_class=20, total=30)
_CLASSES = 40


Suppress = Callable[[np.ndarray, np.ndarray], Detections]


@pytest.fixture(scope="module")
def reference() -> Iterator[Suppress]:
    """The Object Detection API's multi-class suppression."""
    with tf.Graph().as_default(), tf.Session() as session:
        boxes, scores = tf.placeholder(tf.float32, [400, 1, 4]), tf.placeholder(tf.float32, [400, _CLASSES])
        found, count = post_processing.multiclass_non_max_suppression(
            boxes, scores, _LIMITS.score_threshold, _LIMITS.iou_threshold, _LIMITS.per_class, _LIMITS.total,
            clip_window=tf.constant([0.0, 0.0, 1.0, 1.0]))
        fetches = [found.get(), found.get_field("scores"), found.get_field("classes"), count]

        def suppress(corners: np.ndarray, values: np.ndarray) -> Detections:
            kept, best, classes, valid = session.run(fetches, {boxes: corners[:, None], scores: values})
            return Detections(kept[:valid], best[:valid], (classes[:valid] + 1).astype(np.int32))

        yield suppress


def _scene(kind: str, seed: int) -> Tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    corner = random.uniform(-0.3, 1.1, size=(400, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.05, 0.5, size=(400, 2))], axis=1).astype(np.float32)
    scores = random.uniform(size=(400, _CLASSES)) ** 8
    if kind == "many ties":
        scores = np.round(scores * 12) / 12
    if kind == "few detections":
        scores = np.where(random.uniform(size=scores.shape) < 0.0005, scores, 0.0)
    if kind == "one level":
        scores = np.full_like(scores, 0.25)
    if kind == "nothing":
        scores = np.zeros_like(scores)
    return boxes, scores.astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["all different", "many ties", "few detections", "one level", "nothing"])
def test_suppression_equals_the_object_detection_apis_to_the_last_bit(reference: Suppress, kind: str,
                                                                      seed: int) -> None:
    boxes, scores = _scene(kind, seed)

    with nms.open_suppression(_LIMITS) as suppress:
        found = suppress(boxes, scores)

    for ours, theirs in zip(found, reference(boxes, scores)):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("variant", [FLOAT, QUANTIZED])
def test_detections_equal_those_of_the_checkpoints_own_ops(demo: DataPaths, demo_card: ModelCard,
                                                           demo_artifacts: Artifacts, variant: str) -> None:
    found = shard_files.find_shards(demo.dataset_dir, demo.pattern)
    pictures = np.concatenate(images.read_images(found, 6, 300, 300))
    graph = demo_artifacts.graph(variant)
    assert demo_artifacts.suppression is not None

    with open_detector(graph, demo_card.graph, demo_artifacts.suppression) as detect:
        ours = detect(pictures, {})
    with open_detector(graph, demo_card.graph, None) as detect:
        own = detect(pictures, {})

    for a, b in zip(ours, own):
        for mine, theirs in zip(a, b):
            np.testing.assert_array_equal(mine, theirs)


def test_a_graph_of_another_form_keeps_its_own_suppression() -> None:
    with tf.Graph().as_default() as graph:
        boxes = tf.placeholder(tf.float32, [None, 4])
        tf.image.non_max_suppression(boxes, tf.placeholder(tf.float32, [None]), 10)

    assert postprocessing.find(graph.as_graph_def()) is None
    assert postprocessing.find(tf.GraphDef()) is None


def _shard(index: int, records: int) -> Shard:
    return Shard(index, Path(f"val-{index:05d}-of-00002"), records, records)


def _detections(*image_ids: int, per_image: int = 2) -> store.ShardDetections:
    count = len(image_ids)
    boxes = np.tile(np.array([[0.25, 0.1, 0.75, 0.6]], np.float32), (per_image, 1))
    found = [Detections(boxes, np.linspace(0.9, 0.5, per_image).astype(np.float32),
                        np.full(per_image, 3, np.int32)) for _ in range(count)]
    return store.gather([np.array(image_ids, np.int64)], [np.tile([[40, 60]], (count, 1))], found)


@pytest.fixture
def truth(coco_folder: Callable[..., Path]) -> Annotations:
    return annotations.load(coco_folder() / "instances.json")


def test_stored_detections_come_back_as_they_were(tmp_path: Path) -> None:
    written = _detections(7, 9)
    store.save(tmp_path / "shard.npz", written)

    read = store.load(tmp_path / "shard.npz")

    for name in ("image_ids", "sizes", "counts", "boxes", "scores", "classes"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))


def test_a_shard_without_images_can_be_stored(tmp_path: Path) -> None:
    store.save(tmp_path / "empty.npz", store.gather([], [], []))

    assert store.load(tmp_path / "empty.npz").boxes.shape == (0, 4)


@pytest.mark.parametrize("keep", [0, 10, 200, 500])
def test_damaged_detections_are_an_error_that_names_the_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "shard.npz"
    store.save(path, _detections(7, 9))
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(StorageError, match="shard.npz: not readable as detections"):
        store.load(path)


def test_merged_boxes_are_pixels_of_the_original_image(truth: Annotations) -> None:
    merged = merge.merge([(_shard(0, 1), _detections(7, per_image=1))], truth)

    np.testing.assert_allclose(merged.results.boxes, [[6.0, 10.0, 30.0, 20.0]], rtol=1e-6)
    np.testing.assert_allclose(merged.results.scores, [0.9], rtol=1e-6)
    assert (merged.results.images.tolist(), merged.results.categories.tolist()) == ([7], [3])
    assert next(merged.as_coco())["category_id"] == 3


def test_merging_does_not_depend_on_the_order_of_shards(truth: Annotations) -> None:
    parts = [(_shard(0, 2), _detections(21, 7)), (_shard(1, 1), _detections(9))]

    forward, backward = merge.merge(parts, truth), merge.merge(parts[::-1], truth)

    assert forward.results.equals(backward.results)
    assert forward.image_ids.tolist() == [7, 9, 21]


@pytest.mark.parametrize(("parts", "message"), [
    ([(_shard(0, 1), _detections(7)), (_shard(0, 1), _detections(9))], "shard 0 was evaluated twice"),
    ([(_shard(0, 1), _detections(7)), (_shard(1, 1), _detections(7))], "image 7 was evaluated before"),
    ([(_shard(0, 2), _detections(7))], "1 of 2 images were evaluated"),
    ([(_shard(0, 1), _detections(8))], "image 8 is not in"),
])
def test_missing_repeated_and_unknown_parts_are_refused(truth: Annotations, parts: List[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        merge.merge(parts, truth)


def test_an_image_of_another_size_than_annotated_is_refused(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(images=[{"id": 7, "file_name": "x", "width": 61, "height": 40}], annotations=[])

    with pytest.raises(DataError, match=r"image 7 is 60x40, but .* says 61x40"):
        merge.merge([(_shard(0, 1), _detections(7))], annotations.load(folder / "instances.json"))


def test_a_model_that_knows_no_category_of_the_annotations_is_refused(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(categories=[{"id": 5, "name": "other"}], annotations=[])

    with pytest.raises(DataError, match=r"none of the detected category ids \[3\]"):
        merge.merge([(_shard(0, 1), _detections(7))], annotations.load(folder / "instances.json"))


_RUN = run.Run("float")


def _fake_detector(pictures: np.ndarray, _: run.Run) -> List[Detections]:
    """Finds in each image one box, whose score tells the image's brightness."""
    return [Detections(np.array([[0, 0, 1, 1]], np.float32), np.array([picture.mean() / 255.0], np.float32),
                       np.array([3], np.int32)) for picture in pictures]


def test_every_shard_is_handed_over_whole_whatever_the_batch_size(demo: DataPaths) -> None:
    chosen = shard_files.select(shard_files.find_shards(demo.dataset_dir, demo.pattern), "2,5", 30)
    results = []
    for batch_size in (1, 7, 64):
        found: Dict[int, store.ShardDetections] = {}
        run.detect([run.Work(shard, [_RUN]) for shard in chosen], {"float": _fake_detector}, batch_size, (32, 32),
                   lambda work, parts, found=found: found.update({work.shard.index: parts[_RUN]}))  # type: ignore[misc]
        results.append(found)

    assert [sorted(found) for found in results] == [[2, 5]] * 3
    assert [len(found[5].image_ids) for found in results] == [10] * 3
    for found in results[1:]:
        np.testing.assert_array_equal(found[2].scores, results[0][2].scores)


def test_shards_before_a_damaged_one_are_handed_over(demo_copy: DataPaths) -> None:
    path = sorted(demo_copy.dataset_dir.glob(demo_copy.pattern))[1]
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF
    path.write_bytes(bytes(content))
    found: List[int] = []

    with pytest.raises(DataError, match=r"record-00001-of-00002: record 19 is damaged"):
        run.detect([run.Work(shard, [_RUN]) for shard in shard_files.find_shards(demo_copy.dataset_dir,
                                                                                demo_copy.pattern)],
                   {"float": _fake_detector}, 4, (32, 32), lambda work, parts: found.append(work.shard.index))

    assert found == [0]
