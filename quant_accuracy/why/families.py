"""Quantizers that have something in common: weights or activations, and of them those of one type of op.

A network quantized too coarsely has no single culprit. What helps then is to know what may not be so coarse, in the
words in which hardware and quantizer configurations speak of it: depthwise weights, activations of Relu6.
"""

from typing import Collection, Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from quant_accuracy.quantization.records import INPUT, PARAM, Quantizer

WEIGHTS, BIASES, ACTIVATIONS = "weights", "biases", "activations"
_KINDS = (WEIGHTS, ACTIVATIONS, BIASES)
_ACTIVATIONS_OF = "activations of "
_BIAS = "bias"
_WEIGHTS_OF = {"DepthwiseConv2dNative": "depthwise weights", "Conv2D": "convolution weights",
               "MatMul": "dense weights"}


class Family(NamedTuple):
    """Quantizers of one kind at one type of op.

    Attributes:
        name: What they are, in words: `depthwise weights`.
        kind: What it is a part of: `weights`, `biases` or `activations`.
        tensors: What they quantize, in the network's order.
    """

    name: str
    kind: str
    tensors: Tuple[str, ...]


def of_quantizers(quantizers: Iterable[Quantizer], op_types: Sequence[str]) -> List[Family]:
    """Sort quantizers into families.

    Where quantizers of one kind have several bit widths, those of each are a kind of their own. Families of few bits
    come first, and weights before activations: that is where to look first while nothing else is known.

    Args:
        quantizers: The quantizers that are on, in the network's order.
        op_types: For each of them the type of the op that gives the activation or takes the param.
    """
    listed = list(zip(quantizers, op_types))
    widths: Dict[str, Set[int]] = {}
    for quantizer, _ in listed:
        widths.setdefault(_kind(quantizer), set()).add(quantizer.bitwidth)
    found: Dict[Tuple[str, str], List[str]] = {}
    for quantizer, op_type in listed:
        kind = _kind(quantizer)
        bits = f" at {quantizer.bitwidth} bits" if len(widths[kind]) > 1 else ""
        found.setdefault((kind + bits, _name(quantizer, op_type) + bits), []).append(quantizer.tensor)
    bitwidths = {quantizer.tensor: quantizer.bitwidth for quantizer, _ in listed}
    families = [Family(name, kind, tuple(tensors)) for (kind, name), tensors in found.items()]
    return sorted(families, key=lambda family: (bitwidths[family.tensors[0]],
                                                _KINDS.index(family.kind.split(" at ")[0])))


def kinds(families: Sequence[Family]) -> List[Family]:
    """The kinds that families are parts of, each as one family."""
    found: Dict[str, List[str]] = {}
    for family in families:
        found.setdefault(family.kind, []).extend(family.tensors)
    return [Family(kind, kind, tuple(tensors)) for kind, tensors in found.items()]


def describe(tensors: Collection[str], families: Sequence[Family]) -> str:
    """A set in words: `weights`, `depthwise weights and 3 of 35 activations of Relu6`."""
    chosen, everything = set(tensors), {tensor for family in families for tensor in family.tensors}
    if chosen == everything:
        return "all quantizers"
    parts: List[str] = []
    for kind in kinds(families):
        if chosen.issuperset(kind.tensors):
            parts.append(kind.name)
            continue
        whole: List[str] = []
        for family in (family for family in families if family.kind == kind.name):
            count = len(chosen.intersection(family.tensors))
            if count == len(family.tensors):
                whole.append(family.name)
            elif count:
                parts.append(f"{count} of {len(family.tensors)} {family.name}")
        parts += _joined(whole)
    return " and ".join([*([", ".join(parts[:-1])] if parts[:-1] else []), *parts[-1:]])


def _joined(names: Sequence[str]) -> List[str]:
    """The names of whole families, those of activations said at once: `activations of Relu6, AddV2`."""
    alike = [name for name in names if name.startswith(_ACTIVATIONS_OF) and " at " not in name]
    together = [_ACTIVATIONS_OF + ", ".join(name[len(_ACTIVATIONS_OF):] for name in alike)] if alike else []
    return [*(name for name in names if name not in alike), *together]


def _kind(quantizer: Quantizer) -> str:
    if quantizer.kind != PARAM:
        return ACTIVATIONS
    return BIASES if quantizer.role == _BIAS else WEIGHTS


def _name(quantizer: Quantizer, op_type: str) -> str:
    kind = _kind(quantizer)
    if kind == WEIGHTS:
        return _WEIGHTS_OF.get(op_type, f"weights of {op_type}")
    if kind == BIASES:
        return BIASES
    return "model input" if quantizer.role == INPUT else _ACTIVATIONS_OF + op_type
