"""Steps 1 to 5: everything that is made once from a checkpoint and loaded by every process that evaluates."""

import functools
import itertools
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import files
from quant_accuracy.cache import Cache
from quant_accuracy.card import ModelCard
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import detector, postprocessing
from quant_accuracy.detection.postprocessing import Postprocessing
from quant_accuracy.document import read_json
from quant_accuracy.errors import ConfigurationError, StorageError
from quant_accuracy.graph import computed, fold, image_input, load, spelled_out, unfolded
from quant_accuracy.graph.image_input import ImageInput
from quant_accuracy.quantization import aimet, calibrate, configuration, encodings_file, placement, simulate
from quant_accuracy.quantization.records import (
    ACTIVATION,
    AIMET,
    AUTO,
    BUILTIN,
    FOLD,
    KEEP,
    PARAM,
    Encodings,
    Quantizer,
    Settings,
    Symmetry,
)

FLOAT, QUANTIZED = "float", "quantized"
VARIANTS = (FLOAT, QUANTIZED)

_PACKAGE = Path(__file__).resolve().parent
_VERIFIED_IMAGES = 4


@dataclass(frozen=True)
class Artifacts:
    """What steps 1 to 5 left in the cache.

    Attributes:
        float_folder: `float.pb`, `folded.pb`, `fold.json`, `input.json`.
        quantsim_folder: `quantizers.json`, `model.encodings`, `quantsim.pb`, `postprocessing.json`.
        quantizers: Every quantizer of the network.
        encodings: The encodings of the enabled ones, by tensor name.
        left_out: Batch norms that could not be folded or were not to be, with the reason.
        batch_norms: Batch norms that are in the network after folding, but for those that the card keeps there.
        postprocessing: Where detection may leave the graph before suppression; None to run the graph's own ops.
        total: Most detections of an image; 0 when not known.
        simulator: Who runs the quantized network, `builtin` or `aimet`.
    """

    float_folder: Path
    quantsim_folder: Path
    quantizers: Sequence[Quantizer]
    encodings: Encodings
    left_out: Sequence[fold.LeftOut]
    batch_norms: Sequence[str]
    postprocessing: Optional[Postprocessing]
    total: int
    simulator: str

    def graph_file(self, variant: str) -> Path:
        """The graph that a variant runs: the folded float graph, or the simulation."""
        return self.float_folder / "folded.pb" if variant == FLOAT else self.quantsim_folder / "quantsim.pb"

    def graph(self, variant: str) -> tf.GraphDef:
        """Load a variant's graph."""
        return _read_graph(self.graph_file(variant))


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
    card = replace(card, quantization=_settled(card.quantization))
    parts = load.checkpoint_files(checkpoint)
    float_inputs = {
        "checkpoint": {path.name: files.digest_file(path) for path in parts},
        "graph": asdict(card.graph),
        "spelled_out_batch_norms": card.quantization.spelled_out_batch_norms,
        "code": code_digest("graph"),
        "tensorflow": tf.__version__,
        # What was let through once is not let through for those who do not trust it.
        **({"trusted": True} if trusted else {}),
    }
    float_folder = cache.folder("float", float_inputs, "loading and folding the checkpoint",
                                lambda folder: _make_float(folder, card, checkpoint, trusted))
    image_input.check(_image_input(float_folder), card.graph, card.height, card.width, batch_size)

    def make_quantsim(folder: Path) -> None:
        _make_quantsim(folder, card, float_folder, calibration, checkpoint,
                       _suppression(card, float_folder, calibration, cache))

    calibration = calibration_shards(shards, card.calibration_images)
    quantsim_inputs = {
        "float": float_folder.name,
        "quantization": _settings_inputs(card.quantization),
        "calibration": {"images": card.calibration_images, "size": [card.height, card.width],
                        "preprocessing": images.PREPROCESSING,
                        "shards": [files.digest_file(shard.path) for shard in calibration]},
        "code": code_digest("graph", "quantization", "data", "detection"),
        "numpy": np.__version__,
        "aimet": aimet.installed() if card.quantization.backend == AIMET else None,
    }
    quantsim_folder = cache.folder("quantsim", quantsim_inputs, "calibrating and building the quantization simulation",
                                   make_quantsim)
    return read(float_folder, quantsim_folder)


def read(float_folder: Path, quantsim_folder: Path) -> Artifacts:
    """Load the records of artifacts that `build` made.

    Raises:
        StorageError: A file is missing or damaged.
    """
    try:
        quantizers = [Quantizer(**{**item, "symmetry": Symmetry(**item["symmetry"])})
                      for item in _read_json(quantsim_folder / "quantizers.json")]
        folding = _read_json(float_folder / "fold.json")
        left_out = [fold.LeftOut(**item) for item in folding["left_out"]]
        batch_norms = [str(name) for name in folding["batch_norms"]]
        place = _read_json(quantsim_folder / "postprocessing.json")
        found = Postprocessing(**place["place"]) if place["place"] else None
        encodings = encodings_file.read(quantsim_folder / "model.encodings",
                                        f"delete {quantsim_folder}, it will be made again").all()
    except (KeyError, TypeError) as error:
        raise StorageError(f"{quantsim_folder}: damaged ({error}); delete it, it will be made again") from error
    return Artifacts(float_folder, quantsim_folder, quantizers, encodings, left_out, batch_norms, found,
                     int(place["total"]), str(place["simulator"]))


def _settled(settings: Settings) -> Settings:
    """The settings with backend and simulator named, and checked against each other."""
    backend = settings.backend
    if backend == AUTO:
        backend = AIMET if aimet.installed() else BUILTIN
    simulator = settings.simulate or backend
    if backend == AIMET:
        aimet.require()
        if settings.configuration.per_channel:
            raise ConfigurationError("AIMET 1.19 ignores per_channel_quantization; set it to False, "
                                     "or use --backend builtin")
        if settings.spelled_out_batch_norms == FOLD:
            raise ConfigurationError("AIMET cannot fold batch norms that are spelled out in plain ops; use --backend "
                                     "builtin, or --spelled-out-batch-norms keep")
    if simulator == AIMET and backend != AIMET:
        raise ConfigurationError("AIMET can run only what it has built; use --backend aimet, or --simulate builtin")
    if simulator == AIMET and settings.encodings_file is not None:
        raise ConfigurationError("AIMET cannot run with encodings from a file; use --simulate builtin")
    return replace(settings, backend=backend, simulate=simulator)


def _settings_inputs(settings: Settings) -> Mapping[str, Any]:
    """The settings as they name a place in the cache: of a file its content counts."""
    content = settings.encodings_file and files.digest_file(settings.encodings_file)
    return {**asdict(settings), "encodings_file": content}


@functools.lru_cache(maxsize=None)
def code_digest(*packages: str) -> str:
    """The digest of the code of some of this engine's packages: results of other code are other results."""
    sources = sorted(path for package in packages for path in (_PACKAGE / package).glob("*.py"))
    return files.digest_value([[path.name, files.digest_file(path)] for path in sources])


def calibration_shards(shards: Sequence[Shard], count: int) -> List[Shard]:
    """The leading shards that hold the calibration images.

    Raises:
        ConfigurationError: The data set has fewer images.
    """
    leading: List[Shard] = []
    for shard in shards:
        if sum(known.total for known in leading) >= count:
            break
        leading.append(shard)
    available = sum(shard.total for shard in leading)
    if available < count:
        raise ConfigurationError(f"{count} calibration images are asked for, but the data set holds {available}; "
                                 "lower --calibration-images or give more shards")
    return leading


def _make_float(folder: Path, card: ModelCard, checkpoint: Path, trusted: bool) -> None:
    names, spelled = card.graph, card.quantization.spelled_out_batch_norms
    graph = load.load_network(checkpoint, names, trusted)
    stored = computed.store_weights(graph, names.starting_op, names.output_ops)
    folded = fold.fold_batch_norms(stored, names.starting_op, names.output_ops, spelled == FOLD)
    (folder / "float.pb").write_bytes(graph.SerializeToString(deterministic=True))
    (folder / "folded.pb").write_bytes(folded.graph.SerializeToString(deterministic=True))
    files.write_json(folder / "input.json", asdict(image_input.describe(graph, names)))
    left_out = batch_norms_left(card, folded)
    files.write_json(folder / "fold.json", {"folded": [asdict(item) for item in folded.folded],
                                            "left_out": [asdict(item) for item in left_out],
                                            "batch_norms": [item.batch_norm for item in left_out]})


def _image_input(folder: Path) -> ImageInput:
    try:
        return ImageInput(**_read_json(folder / "input.json"))
    except TypeError as error:
        raise StorageError(f"{folder}: damaged ({error}); delete it, it will be made again") from error


def batch_norms_left(card: ModelCard, folded: fold.FoldResult) -> List[fold.LeftOut]:
    """The batch norms that are in a network after folding, with the reason, but for those that the card keeps there."""
    names = card.graph
    # Looked for in what came out by other means, and not believed to be what folding says of itself.
    found = {item.op: item.reason for item in unfolded.find(folded.graph, names.starting_op, names.output_ops)}
    known = {item.batch_norm: item.reason for item in folded.left_out}
    for group in spelled_out.find(folded.graph, names.starting_op, names.output_ops, combined=True):
        found = {name: reason for name, reason in found.items() if name not in group.chain}
        if card.quantization.spelled_out_batch_norms == KEEP and group.scale is not None:
            known.pop(group.name, None)
    return [fold.LeftOut(name, reason) for name, reason in {**found, **known}.items()]


class _Suppression(NamedTuple):
    """Where detection may leave the graph before suppression, if it may, and the most detections of an image."""

    place: Optional[Postprocessing]
    total: int


def _suppression(card: ModelCard, float_folder: Path, calibration: Sequence[Shard], cache: Cache) -> _Suppression:
    """Verified once for a float graph: how it is quantized makes no difference to its suppression."""
    count = min(_VERIFIED_IMAGES, card.calibration_images)
    leading = calibration_shards(calibration, count)
    inputs = {
        "float": float_folder.name,
        "images": {"images": count, "size": [card.height, card.width], "preprocessing": images.PREPROCESSING,
                   "shards": [files.digest_file(shard.path) for shard in leading]},
        "code": code_digest("graph", "data", "detection"),
        "numpy": np.__version__,
    }
    folder = cache.folder("suppression", inputs, "verifying the suppression of overlaps",
                          lambda folder: _make_suppression(folder, card, float_folder, leading, count))
    try:
        record = _read_json(folder / "suppression.json")
        return _Suppression(record["place"] and Postprocessing(**record["place"]), int(record["total"]))
    except (KeyError, TypeError) as error:
        raise StorageError(f"{folder}: damaged ({error}); delete it, it will be made again") from error


def _make_suppression(folder: Path, card: ModelCard, float_folder: Path, leading: Sequence[Shard],
                      count: int) -> None:
    graph = _read_graph(float_folder / "folded.pb")
    place = postprocessing.find(graph)
    shown = [batch.images for batch in itertools.islice(images.stream(leading, 1, card.height, card.width), count)]
    total = detector.verified_total(graph, card.graph, place, shown)
    files.write_json(folder / "suppression.json", {"place": asdict(place) if place and total else None,
                                                   "total": total})


def _make_quantsim(folder: Path, card: ModelCard, float_folder: Path, calibration: Sequence[Shard], checkpoint: Path,
                   suppression: _Suppression) -> None:
    names = card.graph
    graph = _read_graph(float_folder / "folded.pb")
    settings = card.quantization
    batches = images.read_images(calibration, card.calibration_images, card.height, card.width)
    if settings.backend == AIMET:
        configuration.write(folder / "configuration.json", settings.configuration)
        built = aimet.build(checkpoint, names, settings, folder / "configuration.json", batches, folder,
                            simulate=settings.simulate == AIMET)
        quantizers: Sequence[Quantizer] = built.quantizers
        encodings: Encodings = {**built.encodings, **_frozen(settings, quantizers)}
    else:
        quantizers = placement.place_quantizers(graph, names.starting_op, names.output_ops, settings)
        encodings = calibrate.calibrate(graph, quantizers, settings, names.image_input, batches,
                                        _frozen(settings, quantizers))
    weights_done = simulate.quantize_weights(graph, quantizers, encodings)
    quantsim = simulate.insert_fake_quant(weights_done, quantizers, encodings)
    (folder / "quantsim.pb").write_bytes(quantsim.SerializeToString(deterministic=True))
    files.write_json(folder / "quantizers.json", [asdict(quantizer) for quantizer in quantizers])
    encodings_file.write(folder / "model.encodings", quantizers, encodings)
    files.write_json(folder / "postprocessing.json", {"place": suppression.place and asdict(suppression.place),
                                                      "total": suppression.total, "simulator": settings.simulate})


def _frozen(settings: Settings, quantizers: Sequence[Quantizer]) -> Encodings:
    """The encodings that are given instead of calibrated."""
    if settings.encodings_file is None:
        return {}
    kinds = [PARAM] if settings.params_only else [PARAM, ACTIVATION]
    return encodings_file.matching(encodings_file.read(settings.encodings_file), quantizers, kinds)


def _read_graph(path: Path) -> tf.GraphDef:
    graph = tf.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf raises several kinds for damaged files
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be made again") from error
    return graph


def _read_json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be made again") from error
