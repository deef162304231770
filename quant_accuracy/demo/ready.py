"""The demo's checkpoint and data, made on first use and kept in the cache."""

from pathlib import Path

import PIL

from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import dataset
from quant_accuracy.settings.card import DataPaths

IMAGES = 200
SHARDS = 10

_HERE = Path(__file__).resolve().parent
PIPELINE_CONFIG, TRAINED = _HERE / "pipeline.config", _HERE / "checkpoint" / "model.ckpt"

_EXPORT = _HERE.parent / "preparation" / "checkpoint.py"
_SOURCES = ("dataset.py", "shapes.py")


def data_paths(cache: Cache, count: int = IMAGES, shards: int = SHARDS) -> DataPaths:
    """Make the demo ready, if it is not, and say where it lies.

    Args:
        cache: Where it is kept.
        count: Number of evaluation images.
        shards: Number of TFRecord shards.
    """
    checkpoint = cache.folder(
        "demo-checkpoint",
        {"config": files.digest_file(PIPELINE_CONFIG),
         "code": files.digest_file(_EXPORT),
         "trained": [files.digest_file(path) for path in checkpoint_parts.data_files(TRAINED)]},
        "exporting the demo's checkpoint",
        lambda folder: _export(folder))
    data = cache.folder(
        "demo-data",
        {"sources": [files.digest_file(_HERE / name) for name in _SOURCES], "images": count, "shards": shards,
         "seed": dataset.EVALUATION_SEED, "pillow": PIL.__version__},
        "drawing the demo's images",
        lambda folder: _draw(folder, count, shards))
    return DataPaths(checkpoint / "model.ckpt", data, f"demo_val.record-*-of-{shards:05d}",
                     data / "annotations" / "instances.json")


def _export(folder: Path) -> None:
    # object_detection takes seconds to import, and a cache that is warm does not need it.
    from quant_accuracy.preparation import checkpoint

    checkpoint.export(PIPELINE_CONFIG, TRAINED, folder)


def _draw(folder: Path, count: int, shards: int) -> None:
    from quant_accuracy.preparation import coco_tfrecords

    images, annotations = dataset.write_coco(folder, count, dataset.EVALUATION_SEED)
    coco_tfrecords.convert(images, annotations, folder / "demo_val.record", shards)
