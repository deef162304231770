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
from tests import batch_norms
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
    return _started_at("Preprocessor/sub", folder)


def later_start(folder: Path) -> Sequence[str]:
    """A copy of the demo's card whose network starts behind the first convolution."""
    return _started_at("FeatureExtractor/MobilenetV2/Conv/Relu6", folder)


def _started_at(op: str, folder: Path) -> Sequence[str]:
    text = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    start = card.load(options.DEMO_CARD).graph.starting_op
    (folder / "card.yaml").write_text(text.replace(start, op), encoding="utf-8")
    return "--model", str(folder / "card.yaml")


def encodings_with_few_bits(folder: Path) -> Sequence[str]:
    """The demo's own encodings, one of them with fewer bits."""
    demo = _demo()
    found = artifacts.build(card.load(options.DEMO_CARD), demo.checkpoint,
                            shards.find_shards(demo.dataset_dir, demo.pattern), _CACHE)
    document = json.loads((found.quantsim_folder / "model.encodings").read_text(encoding="utf-8"))
    for item in document["activation_encodings"][ACTIVATION]:
        item.update(bitwidth=FEW_BITS, scale=(item["max"] - item["min"]) / (2 ** FEW_BITS - 1))
    files.write_json(folder / "model.encodings", document)
    return "--load-encodings", str(folder / "model.encodings")


def scaled_checkpoint(_: Path) -> Sequence[str]:
    """The demo's checkpoint with the weights of one layer scaled; kept in the cache, as the demo's own is."""
    prefix = _demo().checkpoint
    inputs = {"checkpoint": [files.digest_file(path) for path in load.checkpoint_files(prefix)], "weights": SCALED,
              "factor": FACTOR}
    changed = _CACHE.folder("mutations", inputs, "scaling the weights of a layer",
                            lambda folder: _scale_weights(prefix, folder / "model.ckpt"))
    return "--model", options.DEMO_CARD, "--model-checkpoint", str(changed / "model.ckpt")


def spelled_out_checkpoint(_: Path) -> Sequence[str]:
    """The demo's checkpoint with its batch norms in plain ops; kept in the cache, as the demo's own is."""
    prefix = _demo().checkpoint
    inputs = {"checkpoint": [files.digest_file(path) for path in load.checkpoint_files(prefix)],
              "code": files.digest_file(Path(batch_norms.__file__))}
    changed = _CACHE.folder("mutations", inputs, "spelling out batch norms",
                            lambda folder: _spell_out(prefix, folder / "model.ckpt"))
    return "--model", options.DEMO_CARD, "--model-checkpoint", str(changed / "model.ckpt")


def shard_twice(folder: Path) -> Sequence[str]:
    """The demo's shards under names that do not count, the last of them under two."""
    demo = _demo()
    found = shards.find_shards(demo.dataset_dir, demo.pattern)
    for name, shard in [*((str(shard.index), shard) for shard in found), ("copy", found[-1])]:
        (folder / f"val-{name}.record").symlink_to(shard.path.resolve())
    return "--model", options.DEMO_CARD, "--dataset-dir", str(folder), "--TFRecord-file-pattern", "val-*.record"


def shard_missing(_: Path) -> Sequence[str]:
    """A pattern that does not match the last of the demo's shards."""
    pattern = _demo().pattern.replace("*", f"0000[0-{ready.SHARDS - 2}]")
    return "--model", options.DEMO_CARD, "--TFRecord-file-pattern", pattern


def _demo() -> DataPaths:
    return ready.data_paths(_CACHE)


def _spell_out(prefix: Path, target: Path) -> None:
    meta = tf.MetaGraphDef.FromString(Path(f"{prefix}.meta").read_bytes())
    batch_norms.spell_out(meta.graph_def)
    Path(f"{target}.meta").write_bytes(meta.SerializeToString())
    for path in load.data_files(prefix):
        shutil.copy(str(path), str(target.with_name(path.name)))


def _scale_weights(prefix: Path, target: Path) -> None:
    reader = tf.train.NewCheckpointReader(str(prefix))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values[SCALED] = values[SCALED] * np.float32(FACTOR)
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver({name: tf.Variable(value) for name, value in values.items()})
        session.run(tf.global_variables_initializer())
        saver.save(session, str(target), write_meta_graph=False, write_state=False)
    shutil.copy(f"{prefix}.meta", f"{target}.meta")
