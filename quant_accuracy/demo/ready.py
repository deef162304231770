"""The demo's checkpoint, and its data: drawn on first use and kept in the cache."""

from pathlib import Path

import PIL

from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import dataset
from quant_accuracy.settings.card import DataPaths

IMAGES = 200
SHARDS = 10

_HERE = Path(__file__).resolve().parent
# What `export-checkpoint` made of the training's last one, by this configuration.
PIPELINE_CONFIG, CHECKPOINT = _HERE / "pipeline.config", _HERE / "checkpoint" / "model.ckpt"

_SOURCES = ("dataset.py", "edges.json", "edges.py", "shapes.py")


def data_paths(cache: Cache, count: int = IMAGES, shards: int = SHARDS) -> DataPaths:
    """Draw the demo's images, if they are not there, and say where all of it lies.

    Args:
        cache: Where they are kept.
        count: Number of evaluation images.
        shards: Number of TFRecord shards.
    """
    data = cache.folder(
        "demo-data",
        {"sources": [files.digest_file(_HERE / name) for name in _SOURCES], "images": count, "shards": shards,
         "seed": dataset.EVALUATION_SEED, "pillow": PIL.__version__},
        "drawing the demo's images",
        lambda folder: _draw(folder, count, shards))
    return DataPaths(CHECKPOINT, data, f"demo_val.record-*-of-{shards:05d}",
                     data / "annotations" / "instances.json")


def _draw(folder: Path, count: int, shards: int) -> None:
    from quant_accuracy.preparation import coco_tfrecords

    images, annotations = dataset.write_coco(folder, count, dataset.EVALUATION_SEED)
    coco_tfrecords.convert(images, annotations, folder / "demo_val.record", shards)
