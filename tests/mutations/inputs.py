"""What regressions give the suite: configurations, encodings, checkpoints and shards, made of the demo's own."""

import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import build
from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.cache import Cache
from quant_accuracy.data import shards
from quant_accuracy.demo import ready
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.card_files import SHIPPED
from tests.mutations.plugin import ACTIVATION, ADDITION, FEW_BITS
from tests.support import batch_norms
from tests.support.places import ROOT

SCALED, FACTOR = "FeatureExtractor/MobilenetV2/expanded_conv_12/project/weights", 1.5
NOISE = 0.1
LOWERED, _CLASS = 2.0, "hexagon"
_CACHE = Cache(ROOT / ".cache")

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
    text = (SHIPPED / f"{options.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    start = card.load(options.DEMO_CARD).graph.starting_ops[0]
    (folder / "card.yaml").write_text(text.replace(start, op), encoding="utf-8")
    return "--model", str(folder / "card.yaml")


def encodings_with_few_bits(folder: Path) -> Sequence[str]:
    """The demo's own encodings, one of them with fewer bits."""
    document = _encodings(_demo().checkpoint)
    for item in document["activation_encodings"][ACTIVATION]:
        item.update(bitwidth=FEW_BITS, scale=(item["max"] - item["min"]) / (2 ** FEW_BITS - 1))
    return _loaded(folder, document)


def encodings_swapped(folder: Path) -> Sequence[str]:
    """The demo's own encodings, two of them under each other's names."""
    document = _encodings(_demo().checkpoint)
    found = document["activation_encodings"]
    found[ACTIVATION], found[ADDITION] = found[ADDITION], found[ACTIVATION]
    return _loaded(folder, document)


def encodings_of_another_checkpoint(folder: Path) -> Sequence[str]:
    """The encodings of a checkpoint with other weights and the same names."""
    return _loaded(folder, _encodings(_changed_checkpoint("changing all weights a little", _shaken, noise=NOISE)))


def _loaded(folder: Path, document: Mapping[str, Any]) -> Sequence[str]:
    files.write_json(folder / "model.encodings", document)
    return "--load-encodings", str(folder / "model.encodings")


def _encodings(checkpoint: Path) -> Dict[str, Any]:
    """The encodings of a checkpoint, calibrated on the demo's images."""
    demo = _demo()
    found = build.build(card.load(options.DEMO_CARD), checkpoint,
                            shards.find_shards(demo.dataset_dir, demo.pattern), _CACHE)
    document: Dict[str, Any] = json.loads((found.quantsim_folder / "model.encodings").read_text(encoding="utf-8"))
    return document


def scaled_checkpoint(_: Path) -> Sequence[str]:
    """The demo's checkpoint with the weights of one layer scaled."""
    changed = _changed_checkpoint("scaling the weights of a layer", _scaled, weights=SCALED, factor=FACTOR)
    return "--model", options.DEMO_CARD, "--model-checkpoint", str(changed)


def lowered_class(_: Path) -> Sequence[str]:
    """The demo's checkpoint with the bias of one class lowered."""
    changed = _changed_checkpoint("lowering the bias of a class", _lowered, name=_CLASS, by=LOWERED)
    return "--model", options.DEMO_CARD, "--model-checkpoint", str(changed)


def spelled_out_checkpoint(_: Path) -> Sequence[str]:
    """The demo's checkpoint with its batch norms in plain ops; kept in the cache, as the demo's own is."""
    prefix = _demo().checkpoint
    inputs = {"checkpoint": [files.digest_file(path) for path in checkpoint_parts.checkpoint_files(prefix)],
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


def shards_renamed(folder: Path) -> Sequence[str]:
    """The demo's shards under other names, in the same order."""
    demo = _demo()
    for shard in shards.find_shards(demo.dataset_dir, demo.pattern):
        (folder / f"renamed-{shard.index}.record").symlink_to(shard.path.resolve())
    return "--model", options.DEMO_CARD, "--dataset-dir", str(folder), "--TFRecord-file-pattern", "renamed-*.record"


def shard_missing(folder: Path) -> Sequence[str]:
    """The demo's shards under names that do not count, without the last of them."""
    demo = _demo()
    for shard in shards.find_shards(demo.dataset_dir, demo.pattern)[:-1]:
        (folder / f"val-{shard.index}.record").symlink_to(shard.path.resolve())
    return "--model", options.DEMO_CARD, "--dataset-dir", str(folder), "--TFRecord-file-pattern", "val-*.record"


def categories_shifted(folder: Path) -> Sequence[str]:
    """The demo's annotations with the categories numbered 1, 2, 3, ..., as labelling tools export them."""
    document = json.loads(_demo().annotations.read_text(encoding="utf-8"))
    numbers = {category["id"]: number for number, category in enumerate(document["categories"], start=1)}
    for category in document["categories"]:
        category["id"] = numbers[category["id"]]
    for thing in document["annotations"]:
        thing["category_id"] = numbers[thing["category_id"]]
    files.write_json(folder / "instances.json", document)
    return "--model", options.DEMO_CARD, "--annotation-json-file", str(folder / "instances.json")


def _demo() -> DataPaths:
    return ready.data_paths(_CACHE)


_Values = Dict[str, np.ndarray]


def _scaled(values: _Values) -> _Values:
    return {**values, SCALED: values[SCALED] * np.float32(FACTOR)}


def _lowered(values: _Values) -> _Values:
    categories = json.loads(_demo().annotations.read_text(encoding="utf-8"))["categories"]
    # The model counts as COCO does, and the background is class 0.
    column = next(category["id"] for category in categories if category["name"] == _CLASS)
    changed = dict(values)
    for name, value in values.items():
        if name.endswith("ClassPredictor/biases"):
            anchors = len(values[name.replace("ClassPredictor", "BoxEncodingPredictor")]) // 4
            of_anchors = value.reshape([anchors, -1]).copy()
            of_anchors[:, column] -= np.float32(LOWERED)
            changed[name] = of_anchors.ravel()
    return changed


def _shaken(values: _Values) -> _Values:
    """Noise on every weight of a convolution, as far as they differ among each other."""
    random = np.random.RandomState(0)
    return {name: value + (NOISE * value.std() * random.normal(size=value.shape)).astype(np.float32)
            if value.ndim == 4 else value for name, value in sorted(values.items())}


def _changed_checkpoint(label: str, change: Callable[[_Values], _Values], **inputs: Any) -> Path:
    """The demo's checkpoint with other values; kept in the cache, as the demo's own is."""
    prefix = _demo().checkpoint
    inputs["checkpoint"] = [files.digest_file(path) for path in checkpoint_parts.checkpoint_files(prefix)]
    return _CACHE.folder("mutations", inputs, label,
                         lambda folder: _write_changed(prefix, change, folder / "model.ckpt")) / "model.ckpt"


def _spell_out(prefix: Path, target: Path) -> None:
    meta = tf.MetaGraphDef.FromString(Path(f"{prefix}.meta").read_bytes())
    batch_norms.spell_out(meta.graph_def)
    Path(f"{target}.meta").write_bytes(meta.SerializeToString())
    for path in checkpoint_parts.data_files(prefix):
        shutil.copy(str(path), str(target.with_name(path.name)))


def _write_changed(prefix: Path, change: Callable[[_Values], _Values], target: Path) -> None:
    reader = tf.train.NewCheckpointReader(str(prefix))
    values = change({name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.Saver({name: tf.Variable(value) for name, value in values.items()})
        session.run(tf.global_variables_initializer())
        saver.save(session, str(target), write_meta_graph=False, write_state=False)
    shutil.copy(f"{prefix}.meta", f"{target}.meta")
