"""Steps 1 to 5: everything that is made once from a checkpoint and loaded by every process that evaluates."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import device, float_graph, quantsim, runtime, suppression
from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.artifacts.records import Artifacts, Checkpoint, read
from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.code import code_digest
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.graph import image_input
from quant_accuracy.quantization import backends
from quant_accuracy.runtimes import choice
from quant_accuracy.settings.card import ModelCard


def build(card: ModelCard, checkpoint: Path, shards: Sequence[Shard], cache: Cache,
          trusted: bool = False, batch_size: int = 1) -> Artifacts:
    """Make the artifacts, or find them in the cache.

    Args:
        card: The model card.
        checkpoint: Prefix of the checkpoint's files.
        shards: All shards of the data set: calibration takes the first images of all, whatever is evaluated.
        cache: Where artifacts are kept.
        trusted: The checkpoint's graph may hold ops that reach outside.
        batch_size: How many images the graph will be given at once.

    Raises:
        GraphError: The graph does not take the images that the card describes, or not so many of them.
        QuantAccuracyError: Of the kind that the failing step documents.
    """
    card = settled(card)
    return simulate(card, restore(card, checkpoint, cache, trusted, batch_size), shards, cache)


def settled(card: ModelCard) -> ModelCard:
    """The card with what depends on the environment chosen, such as the backend."""
    return replace(card, quantization=backends.settled(card.quantization))


def restore(card: ModelCard, prefix: Path, cache: Cache, trusted: bool = False, batch_size: int = 1) -> Checkpoint:
    """Steps 1 and 2 of a settled card: restore a checkpoint and fold its batch norms; so too what is quantized instead.

    Raises:
        QuantAccuracyError: As `build`.
    """
    restored = _restored(card, prefix, cache, trusted, batch_size)
    if card.quantized_checkpoint is None:
        return restored
    return replace(restored, quantized=_restored(card, card.quantized_checkpoint, cache, trusted, batch_size))


def _restored(card: ModelCard, prefix: Path, cache: Cache, trusted: bool, batch_size: int) -> Checkpoint:
    parts = checkpoint_parts.checkpoint_files(prefix)
    inputs = {
        "checkpoint": {path.name: files.digest_file(path) for path in parts},
        "graph": asdict(card.graph),
        "spelled_out_batch_norms": card.quantization.spelled_out_batch_norms,
        "code": code_digest("graph", "freezing", "folding"),
        "tensorflow": tf.__version__,
        # What was let through once is not let through for those who do not trust it.
        **({"trusted": True} if trusted else {}),
    }
    folder = cache.folder("float", inputs, "loading and folding the checkpoint",
                          lambda target: float_graph.make(target, card, prefix, trusted))
    image_input.check(float_graph.read_image_input(folder), card.graph, card.height, card.width, batch_size)
    return Checkpoint(prefix, folder)


def simulate(card: ModelCard, checkpoint: Checkpoint, shards: Sequence[Shard], cache: Cache) -> Artifacts:
    """Steps 3 to 5 of a settled card: place quantizers, calibrate them, and build the simulation; and the integer model
    that the card asks for.

    Raises:
        QuantAccuracyError: As `build`.
    """
    float_folder, network = checkpoint.folder, checkpoint.quantized or checkpoint

    def make_quantsim(folder: Path) -> None:
        quantsim.make(folder, card, network, calibration,
                      suppression.verified(card, float_folder, calibration, cache), computation)

    calibration = calibration_shards(shards, card.calibration_images)
    computation = runtime.settled(card, checkpoint, cache)
    quantsim_inputs = {
        "float": network.folder.name,
        "quantization": quantsim.settings_inputs(card.quantization),
        "calibration": {"images": card.calibration_images, "size": [card.height, card.width],
                        "preprocessing": images.PREPROCESSING,
                        "shards": [files.digest_file(shard.path) for shard in calibration]},
        "code": code_digest("graph", "runtimes", "freezing", "quantization", "data", "detection"),
        "numpy": np.__version__,
        "runtime": choice.of_name(computation.runtime).identity,
        "versions": backends.versions(card.quantization),
    }
    quantsim_folder = cache.folder("quantsim", quantsim_inputs, "calibrating and building the quantization simulation",
                                   make_quantsim)
    return device.with_model(
        read(float_folder, quantsim_folder, None if network is checkpoint else network.folder), card, cache)
