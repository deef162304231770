"""Encodings in AIMET's export format, version 0.5.0: written, read, and checked against a network's quantizers.

Read is more than what is written: versions up to 0.6.1, the file of params alone that AIMET's AdaRound leaves, numbers
and flags as other writers of JSON have them, and the YAML that stands beside an export, AIMET's own too, whose numbers
are objects of NumPy.
"""

import difflib
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
import yaml

from quant_accuracy.base import files, invocation
from quant_accuracy.base.documents import as_flag, as_number, parse_json, parsing, read_text
from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError, first_line, shown
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.encodings import holds_zero
from quant_accuracy.quantization.records import (
    ACTIVATION,
    GENERATED,
    PARAM,
    Encoding,
    Encodings,
    Quantization,
    Quantizer,
    symmetry_word,
)

VERSION = "0.5.0"
# Its files are lists with other keys.
_OTHER_VERSION = "1."
AGAIN = f"make it again with {invocation.REPORT} --quantsim-output-dir DIR, which writes DIR/model.encodings"
# The most steps that a quantizer has.
_LARGEST_OFFSET = 2 ** 32
_ROUNDING = 1e-3
_SAME = "use the checkpoint and the quantizer configuration that the file was made with"
_SECTIONS = {ACTIVATION: "activation_encodings", PARAM: "param_encodings"}


class Stored(NamedTuple):
    """An encodings file.

    Attributes:
        path: Where it was read.
        by_kind: Encodings by kind (`activation`, `param`).
    """

    path: Path
    by_kind: Mapping[str, Encodings]

    def all(self) -> Encodings:
        """Both kinds together."""
        return {**self.by_kind[ACTIVATION], **self.by_kind[PARAM]}


def write(path: Path, quantization: Quantization) -> None:
    """Write the encodings of the enabled quantizers, by tensor name, as AIMET's `export` does."""
    document: Dict[str, Any] = {"version": VERSION, "activation_encodings": {}, "param_encodings": {}}
    for quantizer in quantization.enabled():
        document[_SECTIONS[quantizer.kind]][quantizer.tensor] = [{
            "bitwidth": encoding.bitwidth, "is_symmetric": str(encoding.symmetric), "max": encoding.maximum,
            "min": encoding.minimum, "offset": float(encoding.offset), "scale": encoding.scale,
        } for encoding in quantization.encodings[quantizer.tensor]]
    files.write_text(path, json.dumps(document, sort_keys=True, indent=4) + "\n")


def read(path: Path, remedy: str = AGAIN) -> Stored:
    """Read an encodings file.

    Args:
        path: The file, JSON; YAML where its name ends so.
        remedy: What to do where it cannot be used.

    Raises:
        StorageError: The file is missing, is not an encodings file, or an encoding in it is unusable: NaN, infinite,
            inverted, without zero, or with a scale that contradicts its range.
    """
    try:
        sections = _sections(path, _document(path), remedy)
        return Stored(path, {kind: {str(tensor): _encodings(path, tensor, items, remedy)
                                    for tensor, items in sections[kind].items()} for kind in _SECTIONS})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, yaml.YAMLError) as error:
        if isinstance(error, QuantAccuracyError):
            raise
        raise StorageError(f"{path}: not readable as an encodings file of version {VERSION} "
                           f"({type(error).__name__}: {first_line(error)}); {remedy}") from error


def _document(path: Path) -> Any:
    text = read_text(path)
    if path.suffix not in (".yaml", ".yml"):
        return parse_json(text)
    with parsing():
        return _Numbers(text).get_single_data()


class _Numbers(yaml.SafeLoader):
    """Reads what plain YAML says, and the numbers that AIMET's own YAML holds as objects of NumPy."""


_NUMPY = "tag:yaml.org,2002:python/object/apply:numpy."
_TYPES = ("f4", "f8", "i4", "i8")


def _dtype(loader: _Numbers, node: yaml.MappingNode) -> str:
    """The type of a number with its byte order, `<f8`."""
    document = loader.construct_mapping(node, deep=True)
    kind, order = document["args"][0], document["state"][1]
    if kind not in _TYPES or order not in ("<", ">"):
        raise ValueError(f"{shown(kind)} is not a type of numbers")
    return f"{order}{kind}"


def _scalar(loader: _Numbers, node: yaml.SequenceNode) -> Any:
    dtype, content = loader.construct_sequence(node, deep=True)
    (value,) = np.frombuffer(content, dtype)
    return value.item()


def _tuple(loader: _Numbers, node: yaml.SequenceNode) -> Any:
    return loader.construct_sequence(node, deep=True)


_Numbers.add_constructor(f"{_NUMPY}dtype", _dtype)
for _core in ("core", "_core"):  # before and since NumPy 2
    _Numbers.add_constructor(f"{_NUMPY}{_core}.multiarray.scalar", _scalar)
_Numbers.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def _sections(path: Path, document: Any, remedy: str) -> Mapping[str, Mapping[str, Any]]:
    """The encodings of each kind, as they stand there by tensor name."""
    if not isinstance(document, dict):
        raise StorageError(f"{path}: holds no mapping of encodings; name the model.encodings of an "
                           f"export, or {remedy}")
    if str(document.get("version", "")).startswith(_OTHER_VERSION):
        raise StorageError(f"{path}: is of version {shown(document['version'])}, which has other keys than the "
                           "versions up to 0.6.1; export it again with one of those")
    found = {kind: document[section] for kind, section in _SECTIONS.items() if section in document}
    if not found and document and all(isinstance(items, list) and items for items in document.values()):
        # As AdaRound exports them.
        return {PARAM: document, ACTIVATION: {}}
    if not found:
        raise StorageError(f"{path}: has neither {' nor '.join(_SECTIONS.values())}; name the model.encodings of an "
                           f"export, or {remedy}")
    return {kind: found.get(kind, {}) for kind in _SECTIONS}


def _encodings(path: Path, tensor: str, items: Sequence[Mapping[str, Any]], remedy: str) -> Tuple[Encoding, ...]:
    if any(str(item.get("dtype", "int")).lower() != "int" for item in items):
        raise StorageError(f"{path}: the encoding of {tensor!r} is of floating-point numbers, and only integers are "
                           f"simulated; {remedy}")
    found = tuple(_encoding(item) for item in items)
    problems = [problem for encoding in found for problem in _problems(encoding)] or ([] if found else ["it is empty"])
    if problems:
        raise StorageError(f"{path}: the encoding of {tensor!r} cannot be used: {problems[0]}; {remedy}")
    return found


def _encoding(item: Mapping[str, Any]) -> Encoding:
    symmetric = as_flag(item["is_symmetric"])
    if symmetric is None:
        raise ValueError(f"is_symmetric is {shown(item['is_symmetric'])}")
    return Encoding(float(item["min"]), float(item["max"]), float(item["scale"]), _whole(item, "offset"),
                    _whole(item, "bitwidth"), symmetric)


def _whole(item: Mapping[str, Any], key: str) -> int:
    """A whole number, also as `8.0` or "8"; writers with less precision than ours miss it by a little."""
    number = as_number(item[key])
    if number is None or abs(number - round(number)) > _ROUNDING:
        raise ValueError(f"{key} is {shown(item[key])}, not a whole number")
    return round(number)


def _problems(encoding: Encoding) -> List[str]:
    low, high = encoding.minimum, encoding.maximum
    if not all(map(math.isfinite, (low, high, encoding.scale))):
        return [f"min {low}, max {high}, scale {encoding.scale} are not all finite"]
    if not 2 <= encoding.bitwidth <= 32:
        return [f"{encoding.bitwidth} is not a bit width"]
    if low >= high:
        return [f"the range {low} .. {high} is inverted or empty"]
    if not holds_zero(low, high, encoding.bitwidth):
        return [f"the range {low} .. {high} does not hold zero"]
    # A strict symmetric range has one step less, and AIMET's export of it ignores that.
    steps = 2 ** encoding.bitwidth - 1
    if not any(math.isclose(encoding.scale, (high - low) / count, rel_tol=1e-2) for count in (steps, steps - 1)):
        return [f"the scale {encoding.scale} is not the range {low} .. {high} in {steps} steps"]
    if abs(encoding.offset) > _LARGEST_OFFSET:
        return [f"the offset {shown(encoding.offset)} is not that of any range"]
    return []


def matching(stored: Stored, quantizers: Sequence[Quantizer], kinds: Sequence[str]) -> Encodings:
    """The stored encodings of some kinds, after a check that they belong to these quantizers.

    Args:
        stored: A file that was read.
        quantizers: The quantizers of the network.
        kinds: `activation`, `param`, or both.

    Raises:
        ConfigurationError: An encoding is for no enabled quantizer, an enabled quantizer has none, or bit width,
            symmetry or number of channels differ.
    """
    found: Dict[str, Tuple[Encoding, ...]] = {}
    for kind in kinds:
        wanted = {q.tensor: q for q in quantizers if q.enabled and q.kind == kind}
        given = {_tensor(name, wanted): encodings for name, encodings in stored.by_kind[kind].items()}
        if wanted and not given:
            others = "; give it with --load-param-encodings" if kind == ACTIVATION and stored.by_kind[PARAM] else \
                f"; {AGAIN}"
            raise ConfigurationError(f"{stored.path}: holds no encodings of {kind}s{others}")
        lacking = [tensor for tensor in wanted if tensor not in given]
        for tensor in given:
            if tensor not in wanted:
                # Networks have many names that are alike: only one that is nearly another is misspelt.
                # A number is not misspelt: another one is another tensor.
                near = [] if GENERATED.match(tensor) else difflib.get_close_matches(tensor[:200], lacking or wanted,
                                                                                    n=1, cutoff=0.9)
                raise ConfigurationError(f"{stored.path}: {shown(tensor)} is no enabled {kind} quantizer of this "
                                         f"network; {f'did you mean {near[0]!r}? Else ' if near else ''}{_SAME}")
        for tensor, quantizer in wanted.items():
            if tensor not in given:
                raise ConfigurationError(f"{stored.path}: has no encoding for the enabled {kind} quantizer {tensor!r}; "
                                         f"{_SAME}")
            _check(stored.path, quantizer, given[tensor])
            found[tensor] = given[tensor]
    return found


def has(stored: Stored, quantizer: Quantizer) -> bool:
    """Whether a file has an encoding under the name of a quantizer's tensor."""
    given = stored.by_kind[quantizer.kind]
    return quantizer.tensor in given or graph_nodes.op_of(quantizer.tensor) in given


def _tensor(name: str, wanted: Mapping[str, Quantizer]) -> str:
    """The name of a tensor, for which some writers give the name of its op."""
    return name if name in wanted or f"{name}:0" not in wanted else f"{name}:0"


def _check(path: Path, quantizer: Quantizer, encodings: Sequence[Encoding]) -> None:
    bits = "--default-param-bw" if quantizer.kind == PARAM else "--default-output-bw"
    remedy = f"use the bit widths ({bits}) and the configuration that the file was made with"
    for encoding in encodings:
        if encoding.bitwidth != quantizer.bitwidth:
            raise ConfigurationError(f"{path}: {quantizer.tensor!r} has {encoding.bitwidth} bits, its quantizer "
                                     f"{quantizer.bitwidth}; {remedy}")
        if encoding.symmetric != quantizer.symmetry.symmetric:
            given, wanted = symmetry_word(encoding.symmetric), symmetry_word(quantizer.symmetry.symmetric)
            raise ConfigurationError(f"{path}: {quantizer.tensor!r} is {given}, its quantizer {wanted}; {remedy}")
    if quantizer.axis is None and len(encodings) != 1:
        raise ConfigurationError(f"{path}: {quantizer.tensor!r} has {len(encodings)} encodings, its quantizer takes "
                                 f"one; {remedy}")
