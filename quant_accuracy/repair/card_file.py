"""A repair as a model card: its base, and only what changed."""

import os
from pathlib import Path
from typing import Any, Collection, Dict, List, Sequence, Tuple

import yaml

from quant_accuracy.base import files
from quant_accuracy.quantization import configuration, export
from quant_accuracy.quantization.records import Override
from quant_accuracy.repair.weights import ENCODINGS
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.card_files import SUFFIXES
from quant_accuracy.settings.gates import KNOWN_FAILURE

CONFIGURATION = "quantsim_config.json"
_SHOWN = 5


def name_of(card: ModelCard) -> str:
    """The name of a card's repair."""
    return f"{card.name}_repaired"


def document(given: ModelCard, repaired: ModelCard, folder: Path, passing: Collection[str] = ()) -> Dict[str, Any]:
    """The card that says what changed; what it names lies beside it.

    Args:
        given: The red card as its file says it, without what options changed.
        repaired: The card that was measured.
        folder: Where the card will be.
        passing: The gates that pass now: a failure that is known is over.
    """
    over = {gate.name: {KNOWN_FAILURE: None} for gate in given.gates if gate.known_failure and gate.name in passing}
    return {"base": _base(given, folder), "name": name_of(given),
            **{section: content for section, content in (
                ("quantization", _quantization(given, repaired, folder)),
                ("assumptions", {} if given.assumptions.symmetric_params == repaired.assumptions.symmetric_params
                 else {"symmetric_params": repaired.assumptions.symmetric_params}),
                ("runtime", None if given.runtime == repaired.runtime else repaired.runtime),
                ("gates", over),
                ("calibration", {} if given.calibration_images == repaired.calibration_images
                 else {"images": repaired.calibration_images})) if content}}


def write(given: ModelCard, repaired: ModelCard, folder: Path, place: Path,
          passing: Collection[str] = ()) -> List[Path]:
    """Write the card, and its quantizer configuration where that is another one.

    Args:
        given: The red card as its file says it, without what options changed.
        repaired: The card that was measured.
        folder: Where the files go.
        place: The folder that they will be in.
        passing: The gates that pass now, see `document`.

    Returns:
        The files, the card first.

    Raises:
        StorageError: A file cannot be written.
    """
    written = [folder / f"{name_of(given)}.yaml"]
    if given.quantization.configuration != repaired.quantization.configuration:
        written.append(folder / CONFIGURATION)
        configuration.write(written[-1], repaired.quantization.configuration)
    files.write_text(written[0], text(document(given, repaired, place, passing)))
    return written


def text(content: Dict[str, Any]) -> str:
    """A card as YAML, its keys in the order in which they were put."""
    return str(yaml.safe_dump(content, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120))


def changes(given: ModelCard, repaired: ModelCard) -> List[str]:
    """What changed, one thing a line, in words."""
    before, after = given.quantization, repaired.quantization
    found = [f"{what}: {new} instead of {old}" for what, old, new in (
        ("scheme", before.scheme, after.scheme),
        ("bits of weights", before.param_bitwidth, after.param_bitwidth),
        ("bits of activations", before.output_bitwidth, after.output_bitwidth),
        ("calibration images", given.calibration_images, repaired.calibration_images),
        ("runtime", given.runtime, repaired.runtime)) if old != new]
    if after.configuration.per_channel and not before.configuration.per_channel:
        found.append("weights have an encoding for each channel")
    if repaired.assumptions.symmetric_params and not given.assumptions.symmetric_params:
        found.append("ranges of weights are symmetric")
    if repaired.quantized_checkpoint != given.quantized_checkpoint:
        found.append("weights and biases: those of the checkpoint beside the card")
    if after.params_only and not before.params_only:
        found.append("encodings of weights: those beside the card, which the weights were rounded for")
    alike: Dict[str, List[str]] = {}
    for override in _added(given, repaired):
        what = "no quantizer" if override.enabled is False else f"{override.bitwidth} bits"
        alike.setdefault(what, []).append(override.tensors)
    return found + [f"{what} for {_few(tensors)}" for what, tensors in alike.items()]


def _base(given: ModelCard, folder: Path) -> str:
    name = given.given or given.name
    # Relative to the card that says it.
    return _relative(Path(name), folder) if name.endswith(SUFFIXES) else name


def _relative(path: Path, folder: Path) -> str:
    """A path as seen from a folder, which may be a link: what is above it is above where it leads."""
    return os.path.relpath(os.path.realpath(str(path)), os.path.realpath(str(folder)))


def _quantization(given: ModelCard, repaired: ModelCard, folder: Path) -> Dict[str, Any]:
    before, after = given.quantization, repaired.quantization
    plain = ("scheme", "percentile", "param_bitwidth", "output_bitwidth")
    found: Dict[str, Any] = {key: getattr(after, key) for key in plain
                             if getattr(after, key) != getattr(before, key)}
    if after.spelled_out_batch_norms != before.spelled_out_batch_norms:
        found["spelled_out_batch_norms"] = after.spelled_out_batch_norms
    if after.configuration != before.configuration:
        found["config"] = CONFIGURATION
    if repaired.quantized_checkpoint != given.quantized_checkpoint:
        found["checkpoint"] = export.PREFIX
    if after.encodings_file != before.encodings_file:
        found.update(_encodings(given, repaired, folder))
    overrides: Dict[str, Dict[str, Any]] = {}
    for override in _added(given, repaired):
        overrides.setdefault(override.tensors, {}).update(
            {key: value for key, value in (("bitwidth", override.bitwidth), ("symmetric", override.symmetric),
                                           ("enabled", override.enabled)) if value is not None})
    return {**found, **({"overrides": overrides} if overrides else {})}


def _encodings(given: ModelCard, repaired: ModelCard, folder: Path) -> Dict[str, Any]:
    before, after = given.quantization, repaired.quantization
    keys = {True: "param_encodings", False: "encodings"}
    removed = {} if before.encodings_file is None else {keys[before.params_only]: None}
    if after.encodings_file is None:
        return removed
    checkpoint = repaired.quantized_checkpoint
    beside = (checkpoint is not None and checkpoint != given.quantized_checkpoint
              and after.encodings_file.parent == checkpoint.parent)
    # What an option has named stays where it is.
    return {**removed, keys[after.params_only]: ENCODINGS if beside else _relative(after.encodings_file, folder)}


def _added(given: ModelCard, repaired: ModelCard) -> Tuple[Override, ...]:
    return repaired.quantization.overrides[len(given.quantization.overrides):]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{len(names)} tensors: {shown} and {len(names) - _SHOWN} more"
