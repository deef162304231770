"""Encodings in AIMET's export format, version 0.5.0: written, read, and checked against a network's quantizers."""

import difflib
import json
import math
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from quant_accuracy import files
from quant_accuracy.document import read_json
from quant_accuracy.errors import ConfigurationError, StorageError, first_line, shown
from quant_accuracy.quantization.encodings import holds_zero
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Encodings, Quantizer

VERSION = "0.5.0"
# The most steps that a quantizer has.
_LARGEST_OFFSET = 2 ** 32
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


def write(path: Path, quantizers: Sequence[Quantizer], encodings: Encodings) -> None:
    """Write the encodings of the enabled quantizers, by tensor name, as AIMET's `export` does."""
    document: Dict[str, Any] = {"version": VERSION, "activation_encodings": {}, "param_encodings": {}}
    for quantizer in quantizers:
        if quantizer.enabled:
            document[_SECTIONS[quantizer.kind]][quantizer.tensor] = [{
                "bitwidth": encoding.bitwidth, "is_symmetric": str(encoding.symmetric), "max": encoding.maximum,
                "min": encoding.minimum, "offset": float(encoding.offset), "scale": encoding.scale,
            } for encoding in encodings[quantizer.tensor]]
    files.write_text(path, json.dumps(document, sort_keys=True, indent=4) + "\n")


def read(path: Path) -> Stored:
    """Read an encodings file.

    Raises:
        StorageError: The file is missing, is not an encodings file, or an encoding in it is unusable: NaN, infinite,
            inverted, without zero, or with a scale that contradicts its range.
    """
    try:
        document = read_json(path)
        return Stored(path, {kind: {str(tensor): _encodings(path, tensor, items)
                                    for tensor, items in document[section].items()}
                             for kind, section in _SECTIONS.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise StorageError(f"{path}: not readable as an encodings file of version {VERSION} "
                           f"({type(error).__name__}: {first_line(error)}); make it again with "
                           "--quantsim-output-dir") from error


def _encodings(path: Path, tensor: str, items: Sequence[Mapping[str, Any]]) -> Tuple[Encoding, ...]:
    found = tuple(_encoding(item) for item in items)
    problems = [problem for encoding in found for problem in _problems(encoding)] or ([] if found else ["it is empty"])
    if problems:
        raise StorageError(f"{path}: the encoding of {tensor!r} cannot be used: {problems[0]}; "
                           "make the file again with --quantsim-output-dir")
    return found


def _encoding(item: Mapping[str, Any]) -> Encoding:
    symmetric = {"True": True, "False": False, True: True, False: False}[item["is_symmetric"]]
    return Encoding(float(item["min"]), float(item["max"]), float(item["scale"]), int(item["offset"]),
                    int(item["bitwidth"]), symmetric)


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
        given = stored.by_kind[kind]
        for tensor in given:
            if tensor not in wanted:
                near = difflib.get_close_matches(tensor[:200], wanted, n=1)
                raise ConfigurationError(f"{stored.path}: {shown(tensor)} is no enabled {kind} quantizer of this "
                                         "network; " + (f"did you mean {near[0]!r}?" if near else
                                            "use the configuration that the file was made with"))
        for tensor, quantizer in wanted.items():
            if tensor not in given:
                raise ConfigurationError(f"{stored.path}: has no encoding for the enabled {kind} quantizer {tensor!r}; "
                                         "use the configuration that the file was made with")
            _check(stored.path, quantizer, given[tensor])
            found[tensor] = given[tensor]
    return found


def _check(path: Path, quantizer: Quantizer, encodings: Sequence[Encoding]) -> None:
    remedy = "use the bit widths and the configuration that the file was made with"
    for encoding in encodings:
        if encoding.bitwidth != quantizer.bitwidth:
            raise ConfigurationError(f"{path}: {quantizer.tensor!r} has {encoding.bitwidth} bits, its quantizer "
                                     f"{quantizer.bitwidth}; {remedy}")
        if encoding.symmetric != quantizer.symmetry.symmetric:
            raise ConfigurationError(f"{path}: {quantizer.tensor!r} is {_word(encoding.symmetric)}, its quantizer "
                                     f"{_word(quantizer.symmetry.symmetric)}; {remedy}")
    if quantizer.axis is None and len(encodings) != 1:
        raise ConfigurationError(f"{path}: {quantizer.tensor!r} has {len(encodings)} encodings, its quantizer takes "
                                 f"one; {remedy}")


def _word(symmetric: bool) -> str:
    return "symmetric" if symmetric else "asymmetric"
