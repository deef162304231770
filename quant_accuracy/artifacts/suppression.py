"""Where detection may leave the graph before suppression: verified once for a float graph."""

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import Optional, Sequence

import numpy as np

from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.artifacts.records import SUPPRESSION_FILE, read_graph, read_suppression
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.code import code_digest
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import detector, postprocessing
from quant_accuracy.detection.postprocessing import Suppression
from quant_accuracy.settings.card import ModelCard

_VERIFIED_IMAGES = 4


def verified(card: ModelCard, float_folder: Path, calibration: Sequence[Shard], cache: Cache) -> Optional[Suppression]:
    """Find it, or take it from the cache: how a float graph is quantized makes no difference to its suppression.

    Returns:
        How to suppress outside of the graph; None to run the graph's own ops.

    Raises:
        DataError: An image cannot be read.
        StorageError: The record in the cache is damaged.
    """
    count = min(_VERIFIED_IMAGES, card.calibration_images)
    leading = calibration_shards(calibration, count)
    inputs = {
        "float": float_folder.name,
        "images": {"images": count, "size": [card.height, card.width], "preprocessing": images.PREPROCESSING,
                   "shards": [files.digest_file(shard.path) for shard in leading]},
        "code": code_digest("graph", "runtimes", "data", "detection"),
        "numpy": np.__version__,
    }
    folder = cache.folder("suppression", inputs, "verifying the suppression of overlaps",
                          lambda folder: _make(folder, card, float_folder, leading, count))
    return read_suppression(folder / SUPPRESSION_FILE)


def _make(folder: Path, card: ModelCard, float_folder: Path, leading: Sequence[Shard], count: int) -> None:
    graph = read_graph(float_folder / "folded.pb")
    shown = [batch.images for batch in itertools.islice(images.stream(leading, 1, card.height, card.width), count)]
    suppression = detector.verified(graph, card.graph, postprocessing.find(graph), shown)
    files.write_json(folder / SUPPRESSION_FILE, suppression and asdict(suppression))
