"""The encodings of a file for the quantizers of a network: each is somebody's, and nobody lacks one."""

import difflib
import re
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from quant_accuracy.base.errors import ConfigurationError, shown
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.encodings_file.stored import AGAIN, Stored
from quant_accuracy.quantization.records import (
    ACTIVATION,
    GENERATED,
    PARAM,
    Encoding,
    Encodings,
    Quantizer,
    symmetry_word,
)

_SAME = "use the checkpoint and the quantizer configuration that the file was made with"
# As tf2onnx calls what is no tensor of the TensorFlow graph: `Conv__25:0`, `const_fold_opt__26`.
OF_CONVERTER = re.compile(r"__\d+(:\d+)?$")


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
        given = _given(stored, quantizers, kind)
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
                raise ConfigurationError(f"{stored.path}: {shown(tensor)} is not an enabled {kind} quantizer of this "
                                         f"network; {f'did you mean {near[0]!r}? Else ' if near else ''}{_SAME}")
        if lacking:
            raise _missing(stored, quantizers, kind, lacking)
        for tensor, quantizer in wanted.items():
            found[tensor] = _checked(stored, quantizer, given[tensor])
    return found


def left_out(stored: Stored, quantizers: Sequence[Quantizer], kinds: Sequence[str]) -> List[str]:
    """The tensors of a file's encodings that nobody here takes: a converter made them, or they need no encoding."""
    every = (PARAM, ACTIVATION) if stored.of_every_tensor else kinds
    return list(dict.fromkeys(name for kind in kinds for name in stored.by_kind[kind]
                              if not any(_is_here(stored, name, quantizers, other) for other in every)))


def has(stored: Stored, quantizer: Quantizer) -> bool:
    """Whether a file has an encoding under the name of a quantizer's tensor."""
    given = stored.by_kind[quantizer.kind]
    return quantizer.tensor in given or graph_nodes.op_of(quantizer.tensor) in given


def _given(stored: Stored, quantizers: Sequence[Quantizer], kind: str) -> Encodings:
    """What a file has for this network, by the names of its tensors."""
    wanted = {q.tensor: q for q in quantizers if q.enabled and q.kind == kind}
    return {_tensor(name, wanted): encodings for name, encodings in stored.by_kind[kind].items()
            if _is_here(stored, name, quantizers, kind)}


def _is_here(stored: Stored, name: str, quantizers: Sequence[Quantizer], kind: str) -> bool:
    """Whether an encoding is, or by its name could be, for a quantizer of this network."""
    of_kind = {q.tensor: q for q in quantizers if q.kind == kind}
    tensor = _tensor(name, of_kind)
    if stored.of_every_tensor:
        return tensor in of_kind and of_kind[tensor].enabled
    return tensor in of_kind or not OF_CONVERTER.search(name)


def _tensor(name: str, wanted: Mapping[str, Quantizer]) -> str:
    """The name of a tensor, for which some writers give the name of its op."""
    return name if name in wanted or f"{name}:0" not in wanted else f"{name}:0"


def _missing(stored: Stored, quantizers: Sequence[Quantizer], kind: str, lacking: Sequence[str]) -> ConfigurationError:
    """That quantizers have no encoding; with what the file calls tensors that are not in this network."""
    known = {quantizer.tensor for quantizer in quantizers}
    strangers = [name for name in left_out(stored, quantizers, [kind]) if _tensor_of(name) not in known]
    made = [name for name in strangers if OF_CONVERTER.search(name)]
    near = difflib.get_close_matches(lacking[0][:200], [name for name in strangers if name not in made], n=1,
                                     cutoff=0.9)
    hint = _SAME
    if near:
        hint = f"did you mean it by {near[0]!r}? Else {_SAME}"
    elif made:
        more = f" and {len(made) - 1} more" if len(made) > 1 else ""
        hint = (f"the file has {made[0]!r}{more}, named by a converter to ONNX: call the one that is it "
                f"{lacking[0]!r} there, or switch the quantizer off in the model card")
    others = f" and {len(lacking) - 1} others" if len(lacking) > 1 else ""
    return ConfigurationError(f"{stored.path}: has no encoding for the enabled {kind} quantizer {lacking[0]!r}"
                              f"{others}; {hint}")


def _tensor_of(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _checked(stored: Stored, quantizer: Quantizer, encodings: Sequence[Encoding]) -> Tuple[Encoding, ...]:
    """The encodings as this quantizer has them; bits, symmetry and number have to be its own."""
    bits = "--default-param-bw" if quantizer.kind == PARAM else "--default-output-bw"
    remedy = f"use the bit widths ({bits}) and the configuration that the file was made with"
    symmetric = quantizer.symmetry.symmetric
    for encoding in encodings:
        if encoding.bitwidth != quantizer.bitwidth:
            raise ConfigurationError(f"{stored.path}: {quantizer.tensor!r} has {encoding.bitwidth} bits, its quantizer "
                                     f"{quantizer.bitwidth}; {remedy}")
        if stored.of_every_tensor:
            _require_symmetric_grid(stored.path, quantizer, encoding)
        elif encoding.symmetric != symmetric:
            raise ConfigurationError(f"{stored.path}: {quantizer.tensor!r} is {symmetry_word(encoding.symmetric)}, its "
                                     f"quantizer {symmetry_word(symmetric)}; {remedy}")
    if quantizer.axis is None and len(encodings) != 1:
        raise ConfigurationError(f"{stored.path}: {quantizer.tensor!r} has {len(encodings)} encodings, its quantizer "
                                 "takes one; set per_channel_quantization to \"True\" in the quantizer configuration, "
                                 f"or {remedy}")
    if quantizer.axis is not None and len(encodings) == 1:
        raise ConfigurationError(f"{stored.path}: {quantizer.tensor!r} has one encoding, its quantizer one for each "
                                 "channel; set per_channel_quantization to \"False\" in the quantizer configuration, "
                                 f"or {remedy}")
    return tuple(replace(encoding, symmetric=symmetric) for encoding in encodings)


def _require_symmetric_grid(path: Path, quantizer: Quantizer, encoding: Encoding) -> None:
    half = 2 ** (encoding.bitwidth - 1)
    allowed = {-half, 1 - half} | ({0} if quantizer.symmetry.unsigned else set())
    if quantizer.symmetry.symmetric and encoding.offset not in allowed:
        raise ConfigurationError(f"{path}: {quantizer.tensor!r} is asymmetric ({encoding.minimum:.6g} .. "
                                 f"{encoding.maximum:.6g}), its quantizer symmetric; use the configuration that the "
                                 "file was made with")
