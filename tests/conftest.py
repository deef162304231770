"""Fixtures that the tests share: the demo, made once, and small graphs and data sets."""

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.data import images, shards
from quant_accuracy.demo import ready
from quant_accuracy.preparation import coco_tfrecords
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.support.places import ROOT

Run = Callable[..., Sequence[np.ndarray]]

# Networks of the tests are written as TensorFlow 1 writes them, with its control flow and variables.
tf.disable_v2_behavior()


def pytest_make_parametrize_id(val: object, argname: str) -> Optional[str]:
    """Name bytes after their length: those of a compressed file change every second, and xdist compares the names."""
    return f"{argname} of {len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def demo_card() -> ModelCard:
    return card.load(options.DEMO_CARD)


@pytest.fixture(scope="session")
def cache() -> Cache:
    """The cache that the gate suite uses too: what the tests make, the gates find."""
    return Cache(ROOT / ".cache")


@pytest.fixture(scope="session")
def demo(cache: Cache) -> DataPaths:
    return ready.data_paths(cache)


@pytest.fixture(scope="session")
def demo_artifacts(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Artifacts:
    return build.build(demo_card, demo.checkpoint, shards.find_shards(demo.dataset_dir, demo.pattern), cache)


@pytest.fixture
def demo_copy(demo: DataPaths, tmp_path: Path) -> DataPaths:
    """The demo's checkpoint, two of its shards and its annotations, to be damaged."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in demo.checkpoint.parent.glob("model.ckpt.*"):
        shutil.copy(str(path), str(folder / path.name))
    data = tmp_path / "data"
    data.mkdir()
    for index in (0, 1):
        name = f"demo_val.record-{index:05d}-of-00010"
        shutil.copy(str(demo.dataset_dir / name), str(data / f"val.record-{index:05d}-of-00002"))
    shutil.copy(str(demo.annotations), str(data / "instances.json"))
    return DataPaths(folder / "model.ckpt", data, "val.record-*-of-00002", data / "instances.json")


@pytest.fixture
def coco_folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes COCO's layout: three images (colour JPEG, grayscale JPEG, PNG), one of them without objects, one crowd."""

    def make(**changes: Any) -> Path:
        folder = tmp_path / "coco"
        folder.mkdir()
        random = np.random.RandomState(0)
        pixels = random.randint(0, 256, size=(40, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(str(folder / "colour.jpg"))
        Image.fromarray(pixels[..., 0]).save(str(folder / "gray.jpg"))
        Image.fromarray(pixels).save(str(folder / "lossless.png"))
        document: Dict[str, Any] = {
            "images": [{"id": 7, "file_name": "colour.jpg", "width": 60, "height": 40},
                       {"id": 9, "file_name": "gray.jpg", "width": 60, "height": 40},
                       {"id": 21, "file_name": "lossless.png", "width": 60, "height": 40}],
            "annotations": [
                {"id": 1, "image_id": 7, "category_id": 3, "bbox": [6, 4, 30, 20], "area": 600, "iscrowd": 0},
                {"id": 2, "image_id": 7, "category_id": 90, "bbox": [0, 0, 60, 40], "area": 2400, "iscrowd": 1},
                {"id": 3, "image_id": 21, "category_id": 3, "bbox": [10, 10, 10, 10], "area": 100, "iscrowd": 0}],
            "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}],
        }
        document.update(changes)
        (folder / "instances.json").write_text(json.dumps(document))
        return folder

    return make


@pytest.fixture
def convert(coco_folder: Callable[..., Path]) -> Callable[..., DataPaths]:
    """Makes a data set of one shard from `coco_folder`, with changes to its annotation file."""

    def make(**changes: Any) -> DataPaths:
        folder = coco_folder(**changes)
        coco_tfrecords.convert(folder, folder / "instances.json", folder / "coco.record", 1)
        return DataPaths(folder / "none", folder, "coco.record-*-of-00001", folder / "instances.json")

    return make


@pytest.fixture
def run_graph() -> Run:
    """Runs a GraphDef on its own."""

    def run(graph: tf.GraphDef, fetches: Sequence[str], feed: Dict[str, np.ndarray]) -> Sequence[np.ndarray]:
        with tf.Graph().as_default() as scope:
            tf.import_graph_def(graph, name="")
        with tf.Session(graph=scope) as session:
            return list(session.run(fetches, feed))

    return run


@pytest.fixture(scope="session")
def image(demo: DataPaths) -> np.ndarray:
    """An image of the demo, as the network takes it."""
    return images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 2, 300, 300)[1]
