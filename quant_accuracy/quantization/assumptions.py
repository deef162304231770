"""What a model card expects of its quantizers, whatever the configuration that placed them says."""

import fnmatch
import math
from dataclasses import dataclass
from typing import List, Optional, Sequence

from quant_accuracy.quantization.encodings import holds_zero
from quant_accuracy.quantization.records import PARAM, Encoding, Override, Quantizer, symmetry_word


@dataclass(frozen=True)
class Assumptions:
    """What the gates on placement and bit widths check.

    Attributes:
        param_bitwidth: Bits of weights.
        output_bitwidth: Bits of activations.
        symmetric_params: Whether the ranges of weights are symmetric.
        symmetric_outputs: Whether the ranges of activations are symmetric.
        biases: Whether biases are quantized.
        inputs: Whether the model's inputs are quantized.
        outputs: Whether the network's outputs are quantized.
        overrides: Exceptions for single quantizers, which the card itself makes.
    """

    param_bitwidth: int = 8
    output_bitwidth: int = 8
    symmetric_params: bool = False
    symmetric_outputs: bool = False
    biases: bool = False
    inputs: bool = False
    outputs: bool = True
    overrides: Sequence[Override] = ()

    def bitwidth_of(self, quantizer: Quantizer) -> int:
        """The bits that a quantizer should have."""
        stated = [override.bitwidth for override in self._of(quantizer.tensor) if override.bitwidth is not None]
        return [self.param_bitwidth if quantizer.kind == PARAM else self.output_bitwidth, *stated][-1]

    def symmetry_of(self, quantizer: Quantizer) -> bool:
        """Whether a quantizer's range should be symmetric."""
        stated = [override.symmetric for override in self._of(quantizer.tensor) if override.symmetric is not None]
        return [self.symmetric_params if quantizer.kind == PARAM else self.symmetric_outputs, *stated][-1]

    def switched(self, tensor: str) -> bool:
        """Whether the card itself switches this quantizer on or off."""
        return any(override.enabled is not None for override in self._of(tensor))

    def _of(self, tensor: str) -> List[Override]:
        """The overrides of a tensor; later ones win."""
        return [override for override in self.overrides if fnmatch.fnmatchcase(tensor, override.tensors)]


def wrong_settings(quantizer: Quantizer, encodings: Sequence[Encoding], assumed: Assumptions) -> List[str]:
    """What of a quantizer and its encodings is not as the card says; empty when all is."""
    bits, symmetric = assumed.bitwidth_of(quantizer), assumed.symmetry_of(quantizer)
    found = []
    for what, wide in [("quantizer", quantizer.bitwidth), *(("encoding", e.bitwidth) for e in encodings)]:
        if wide != bits:
            found.append(f"the {what} has {wide} bits, the card says {bits}")
    for what, even in [("quantizer", quantizer.symmetry.symmetric), *(("encoding", e.symmetric) for e in encodings)]:
        if even != symmetric:
            found.append(f"the {what} is {symmetry_word(even)}, the card says {symmetry_word(symmetric)}")
    return sorted(set(found))


def wrong_range(encodings: Sequence[Encoding]) -> Optional[str]:
    """Why encodings cannot be used; None when they can."""
    if not encodings:
        return "never calibrated: it has no encoding"
    for encoding in encodings:
        values = (encoding.minimum, encoding.maximum, encoding.scale)
        if not all(math.isfinite(value) for value in values):
            return f"not a number: {encoding}"
        if encoding.minimum > encoding.maximum:
            return f"inverted: {encoding}"
        if encoding.minimum == encoding.maximum or encoding.scale <= 0.0:
            return f"collapsed: {encoding}"
        if not holds_zero(encoding.minimum, encoding.maximum, encoding.bitwidth):
            return f"without zero: {encoding}"
    return None
