"""The demo's checkpoint and data, made on first use and kept in the cache."""

from pathlib import Path

import PIL

from demo import dataset
from quant_accuracy import files, options
from quant_accuracy.cache import Cache
from quant_accuracy.card import DataPaths
from quant_accuracy.graph import load

IMAGES = 200
SHARDS = 10

_HERE = Path(__file__).resolve().parent
_EXPORT = options.ROOT / "quant_accuracy" / "preparation" / "checkpoint.py"
_SOURCES = ("dataset.py", "shapes.py")


def data_paths(cache: Cache, count: int = IMAGES, shards: int = SHARDS) -> DataPaths:
    """Make the demo ready, if it is not, and say where it lies.

    Args:
        cache: Where it is kept.
        count: Number of evaluation images.
        shards: Number of TFRecord shards.
    """
    trained = _HERE / "checkpoint" / "model.ckpt"
    checkpoint = cache.folder(
        "demo-checkpoint",
        {"config": files.digest_file(_HERE / "pipeline.config"),
         "code": files.digest_file(_EXPORT),
         "trained": [files.digest_file(path) for path in load.data_files(trained)]},
        "exporting the demo's checkpoint",
        lambda folder: _export(trained, folder))
    data = cache.folder(
        "demo-data",
        {"sources": [files.digest_file(_HERE / name) for name in _SOURCES], "images": count, "shards": shards,
         "seed": dataset.EVALUATION_SEED, "pillow": PIL.__version__},
        "drawing the demo's images",
        lambda folder: _draw(folder, count, shards))
    return DataPaths(checkpoint / "model.ckpt", data, f"demo_val.record-*-of-{shards:05d}",
                     data / "annotations" / "instances.json")


def _export(trained: Path, folder: Path) -> None:
    # object_detection takes seconds to import, and a cache that is warm does not need it.
    from quant_accuracy.preparation import checkpoint

    checkpoint.export(_HERE / "pipeline.config", trained, folder)


def _draw(folder: Path, count: int, shards: int) -> None:
    from quant_accuracy.preparation import coco_tfrecords

    images, annotations = dataset.write_coco(folder, count, dataset.EVALUATION_SEED)
    coco_tfrecords.convert(images, annotations, folder / "demo_val.record", shards)
