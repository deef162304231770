"""Remedies that change weights and biases: from a card to one that quantizes another checkpoint.

What a remedy makes is an export as AIMET writes it, in the cache: the folded network as a checkpoint, and encodings
beside it where these must not be made again. So what is measured is what can be deployed.
"""

import fnmatch
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import ConfigurationError, GraphError, QuantAccuracyError
from quant_accuracy.base.words import CLIP, KEEP, NETWORK, REPLACE
from quant_accuracy.data import images
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.pipeline import trial
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization import encodings_file, export
from quant_accuracy.quantization.records import PARAM, Override, Quantization
from quant_accuracy.repair.adaround import network as adaround
from quant_accuracy.repair.bias_correction import correct
from quant_accuracy.repair.equalization import aimet, equalize, spaces, verification
from quant_accuracy.repair.settings import with_settings
from quant_accuracy.settings.card import ModelCard

ENCODINGS = export.PREFIX + ".encodings"
# What equalization is called, by what it does with a ReLU6.
EQUALIZED = {CLIP: "equalization", KEEP: "equalization that keeps ReLU6", REPLACE: "AIMET's equalization"}
_OVERRIDES, _UNTREATED = "overrides.json", "untreated.json"
_KIND = "repair"
_SHOWN = 3
_REMEDIES = ("repair/equalization", "repair/bias_correction", "repair/adaround")


class _DeviceError(ConfigurationError):
    """The device of the red card cannot run what a remedy has made."""


class Remedied(NamedTuple):
    """What a remedy makes of a card.

    Attributes:
        card: The card.
        untreated: What it could not treat, by name, and why.
    """

    card: ModelCard
    untreated: Sequence[Tuple[str, str]]


@dataclass(frozen=True)
class _Made:
    """What a remedy leaves.

    Attributes:
        graph: The network.
        treated: How many layers it has changed.
        untreated: The others, by name, and why.
        overrides: What has to be said of its quantizers besides.
        params: The quantization whose params must stay as they are; None where all is calibrated anew.
    """

    graph: tf.GraphDef
    treated: int
    untreated: Sequence[Tuple[str, str]]
    overrides: Tuple[Override, ...] = ()
    params: Optional[Quantization] = None


def equalized(prepared: Prepared, card: ModelCard, relu6: str = CLIP) -> Remedied:
    """Even out the ranges of neighbouring layers, the float function kept exactly unless AIMET's way is asked for.

    Args:
        prepared: The evaluation that a repair is looked for.
        card: What is to be repaired.
        relu6: One of `words.RELU6_WAYS`.

    Raises:
        GraphError: The function is not kept, as the outputs on the calibration images tell.
        ConfigurationError: The device of the red card cannot run it.
        QuantAccuracyError: As the parts.
    """
    def make(network: Network, artifacts: Artifacts, batches: Sequence[np.ndarray]) -> _Made:
        if relu6 == REPLACE:
            as_aimet = aimet.equalize(network, aimet.norms(*artifacts.before_folding()))
            return _Made(as_aimet.graph, len(as_aimet.sets) + len(as_aimet.replaced), as_aimet.left)
        found = equalize.equalize(network, card.graph.image_input, batches, relu6)
        # A comparison that NaN fails, too.
        if not found.difference <= verification.ROUNDING:
            raise GraphError(f"equalization changes the outputs of the float network by {found.difference:.1e} of "
                             f"their largest value, and may change them by {verification.ROUNDING:g}; leave it out "
                             "with --remedies, and please report it")
        before = spaces.before_layers(network)
        return _Made(found.graph, len(found.spaces), [left for left in found.left if left.layer in before],
                     _in_one(found.overrides, found.graph))

    try:
        return _remedied(prepared, card, EQUALIZED[relu6], {}, make)
    except _DeviceError as error:
        raise ConfigurationError(str(error) + (f", or give --relu6 {KEEP}" if relu6 == CLIP else "")) from error


def corrected(prepared: Prepared, card: ModelCard, reference: Optional[ModelCard] = None) -> Remedied:
    """Take from biases what quantized weights shift the means of channels by, as calibration images show it.

    Args:
        prepared: The evaluation that a repair is looked for.
        card: What is to be repaired.
        reference: The card whose network has the means that are wanted; None for the card itself.

    Raises:
        QuantAccuracyError: As the parts.
    """
    wanted = None if reference is None else trial.with_card(prepared, reference).artifacts

    def make(network: Network, artifacts: Artifacts, batches: Sequence[np.ndarray]) -> _Made:
        found = correct.correct_empirically(network, artifacts.quantization, card.graph.image_input, batches,
                                            reference=None if wanted is None else wanted.graph(NETWORK))
        frozen = artifacts.quantization if card.quantization.params_only else None
        return _Made(found.graph, len(found.corrections), [(left.layer, left.reason) for left in found.left], (),
                     frozen)

    return _remedied(prepared, card, "bias correction",
                     {} if wanted is None else {"reference": wanted.quantsim_folder.name}, make)


def rounded(prepared: Prepared, card: ModelCard, options: Optional[adaround.Options] = None,
            go_on: Callable[[], None] = lambda: None) -> Remedied:
    """Round each weight for the output of its layer (AdaRound), on the encodings that it gives to weights.

    Args:
        prepared: The evaluation that a repair is looked for.
        card: What is to be repaired.
        options: How it is done.
        go_on: Called before each layer; what it raises ends the remedy, and finished layers are kept.

    Raises:
        QuantAccuracyError: As the parts.
    """
    chosen = options or adaround.Options()

    def make(network: Network, artifacts: Artifacts, batches: Sequence[np.ndarray]) -> _Made:
        found = adaround.adaround(network, artifacts.quantization, card.graph.image_input, batches, chosen,
                                  prepared.cache.root / _KIND / "layers", go_on)
        return _Made(found.graph, len(found.layers), [(left.tensor, left.reason) for left in found.left_out], (),
                     replace(artifacts.quantization, encodings=found.encodings))

    return _remedied(prepared, card, "AdaRound", asdict(chosen), make)


def _remedied(prepared: Prepared, card: ModelCard, name: str, more: Dict[str, object],
              make: Callable[[Network, Artifacts, Sequence[np.ndarray]], _Made]) -> Remedied:
    """The card with what a remedy makes of its network, made once."""
    artifacts = trial.with_card(prepared, replace(card, device=None)).artifacts
    shards = calibration_shards(prepared.every_shard, card.calibration_images)

    def fill(folder: Path) -> None:
        network = Network.of(artifacts.graph(NETWORK), card.graph)
        batches = images.read_images(shards, card.calibration_images, card.height, card.width)
        made = make(network, artifacts, batches)
        if not made.treated:
            found = few(made.untreated) or "there is none with constant weights"
            raise GraphError(f"{name} finds no layer that it can treat: {found}; leave it out with --remedies")
        export.write_checkpoint(made.graph, folder)
        if made.params is not None:
            encodings_file.write(folder / ENCODINGS, _params(made.params))
        files.write_json(folder / _OVERRIDES, [asdict(override) for override in made.overrides])
        files.write_json(folder / _UNTREATED, [list(item) for item in made.untreated])

    inputs = {"remedy": name, **more, "files": [_OVERRIDES, _UNTREATED], "quantsim": artifacts.quantsim_folder.name,
              # Named by all that made it, calibration images included.
              "code": code_digest("graph", "quantization", "runtimes", "data", *_REMEDIES), "numpy": np.__version__,
              "tensorflow": sessions.version()}
    folder = prepared.cache.folder(_KIND, inputs, f"computing {name}", fill)
    overrides = tuple(Override(**item) for item in read_json(folder / _OVERRIDES))
    frozen = folder / ENCODINGS
    settings = replace(card.quantization, overrides=(*card.quantization.overrides, *overrides),
                       encodings_file=frozen if frozen.is_file() else None, params_only=frozen.is_file())
    remedied = replace(with_settings(card, settings), quantized_checkpoint=folder / export.PREFIX)
    _require_device(prepared, remedied)
    return Remedied(remedied, [(layer, reason) for layer, reason in read_json(folder / _UNTREATED)])


def _require_device(prepared: Prepared, card: ModelCard) -> None:
    """Make the integer model that the red card asks for: it is not measured here, and the repair has to run there."""
    if prepared.request.card.device is None:
        return
    try:
        trial.with_card(prepared, replace(card, device=prepared.request.card.device))
    except QuantAccuracyError as error:
        raise _DeviceError(str(error)) from error


def few(untreated: Sequence[Tuple[str, str]]) -> str:
    """Some of what a remedy could not treat, and how many more that are; empty for none."""
    shown = ", ".join(f"{name} ({reason})" for name, reason in untreated[:_SHOWN])
    return shown if len(untreated) <= _SHOWN else f"{shown} and {len(untreated) - _SHOWN} more"


def _in_one(overrides: Tuple[Override, ...], graph: tf.GraphDef) -> Tuple[Override, ...]:
    """The same said with one pattern, where their tensors, and no others, end alike."""
    tensors = {override.tensors for override in overrides}
    ends = {"/".join(tensor.split("/")[-2:]) for tensor in tensors}
    pattern = f"*/{next(iter(ends), '')}"
    matched = {f"{node.name}:0" for node in graph.node if fnmatch.fnmatchcase(f"{node.name}:0", pattern)}
    return (replace(overrides[0], tensors=pattern),) if len(ends) == 1 and matched == tensors else overrides


def _params(quantization: Quantization) -> Quantization:
    kept: List[str] = [quantizer.tensor for quantizer in quantization.enabled() if quantizer.kind == PARAM]
    return Quantization([quantizer for quantizer in quantization.quantizers if quantizer.tensor in kept],
                        {tensor: quantization.encodings[tensor] for tensor in kept})
