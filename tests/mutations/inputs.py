"""What regressions give the suite: configurations, encodings, checkpoints and shards, made of the demo's own."""

import json
import shutil
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from demo import ready
from quant_accuracy import artifacts, card, files, options
from quant_accuracy.cache import Cache
from quant_accuracy.card import DataPaths
from quant_accuracy.data import shards
from quant_accuracy.graph import load
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.configuration import Configuration
from tests.mutations.plugin import ACTIVATION, FEW_BITS

SCALED, FACTOR = "FeatureExtractor/MobilenetV2/expanded_conv_12/project/weights", 1.5
_CACHE = Cache(options.ROOT / ".cache")

# Makes what the suite is given in an empty folder, and says with which arguments.
Arguments = Callable[[Path], Sequence[str]]


def nothing(_: Path) -> Sequence[str]:
    """No argument."""
    return ()


def typed(*arguments: str) -> Arguments:
    """Arguments that need no file."""
    return lambda _: arguments


def configured(changed: Configuration) -> Arguments:
    """A quantizer configuration, as the file that AIMET takes."""

    def make(folder: Path) -> Sequence[str]:
        configuration.write(folder / "configuration.json", changed)
        return "--quantsim-config", str(folder / "configuration.json")

    return make


def earlier_start(folder: Path) -> Sequence[str]:
    """A copy of the demo's card whose network starts at an op that gets a quantizer; the demo's own is an Identity."""
    text = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    start = card.load(options.DEMO_CARD).graph.starting_op
    (folder / "card.yaml").write_text(text.replace(start, "Preprocessor/sub"), encoding="utf-8")
    return "--model", str(folder / "card.yaml")


def encodings_with_few_bits(folder: Path) -> Sequence[str]:
    """The demo's own encodings, one of them with fewer bits."""
    own = demo()
    found = artifacts.build(card.load(options.DEMO_CARD), own.checkpoint,
                            shards.find_shards(own.dataset_dir, own.pattern), _CACHE)
    document = json.loads((found.quantsim_folder / "model.encodings").read_text(encoding="utf-8"))
    for item in document["activation_encodings"][ACTIVATION]:
        item.update(bitwidth=FEW_BITS, scale=(item["max"] - item["min"]) / (2 ** FEW_BITS - 1))
    files.write_json(folder / "model.encodings", document)
    return "--load-encodings", str(folder / "model.encodings")


def scaled_checkpoint(_: Path) -> Sequence[str]:
    """The demo's checkpoint with the weights of one layer scaled; kept in the cache, as the demo's own is."""
    prefix = demo().checkpoint
    inputs = {"checkpoint": [files.digest_file(path) for path in load.checkpoint_files(prefix)], "weights": SCALED,
              "factor": FACTOR}
    changed = _CACHE.folder("mutations", inputs, "scaling the weights of a layer",
                            lambda folder: _scale_weights(prefix, folder / "model.ckpt"))
    return "--model", options.DEMO_CARD, "--model-checkpoint", str(changed / "model.ckpt")


def shard_twice(folder: Path) -> Sequence[str]:
    """The demo's shards under names that do not count, the last of them under two."""
    own = demo()
    found = shards.find_shards(own.dataset_dir, own.pattern)
    for name, shard in [*((str(shard.index), shard) for shard in found), ("copy", found[-1])]:
        (folder / f"val-{name}.record").symlink_to(shard.path.resolve())
    return "--model", options.DEMO_CARD, "--dataset-dir", str(folder), "--TFRecord-file-pattern", "val-*.record"


def shard_missing(_: Path) -> Sequence[str]:
    """A pattern that does not match the last of the demo's shards."""
    pattern = demo().pattern.replace("*", f"0000[0-{ready.SHARDS - 2}]")
    return "--model", options.DEMO_CARD, "--TFRecord-file-pattern", pattern


def copy_baselines(target: Path) -> None:
    """A copy of the committed baselines, to be changed."""
    shutil.copytree(str(options.ROOT / "baselines"), str(target))


def demo() -> DataPaths:
    """The demo's checkpoint and data."""
    return ready.data_paths(_CACHE)


def _scale_weights(prefix: Path, target: Path) -> None:
    reader = tf.train.NewCheckpointReader(str(prefix))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values[SCALED] = values[SCALED] * np.float32(FACTOR)
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver({name: tf.Variable(value) for name, value in values.items()})
        session.run(tf.global_variables_initializer())
        saver.save(session, str(target), write_meta_graph=False, write_state=False)
    shutil.copy(f"{prefix}.meta", f"{target}.meta")
