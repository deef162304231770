"""The vocabulary of quantization: quantizers, encodings, settings."""

from dataclasses import dataclass

PARAM = "param"
ACTIVATION = "activation"
TF = "tf"
TF_ENHANCED = "tf_enhanced"
SCHEMES = (TF, TF_ENHANCED)


@dataclass(frozen=True)
class Symmetry:
    """Which ranges a quantizer may have.

    Attributes:
        symmetric: As far below zero as above.
        strict: Symmetric to the last step: one step less, so that both sides have as many.
        unsigned: A tensor without negative values keeps its one-sided range even where symmetric ones are asked for.
    """

    symmetric: bool = False
    strict: bool = False
    unsigned: bool = True


@dataclass(frozen=True)
class Settings:
    """How a network is to be quantized.

    Attributes:
        scheme: How what was seen becomes an encoding: `tf` takes the smallest and the largest value, `tf_enhanced` the
            grid with the least error over a histogram.
        param_bitwidth: Bits of weights.
        output_bitwidth: Bits of activations.
    """

    scheme: str = TF
    param_bitwidth: int = 8
    output_bitwidth: int = 8


@dataclass(frozen=True)
class Quantizer:
    """One place where a tensor is, or could be, quantized.

    Attributes:
        name: `<op>_quantized`, as AIMET names its quantize ops.
        tensor: The tensor that is quantized, `<op>:0`.
        kind: `param` or `activation`.
        bitwidth: Number of bits.
        symmetric: Whether the range is symmetric around zero.
        enabled: Whether it quantizes; a disabled one passes its tensor through.
        rule: The rule that decided.
    """

    name: str
    tensor: str
    kind: str
    bitwidth: int
    symmetric: bool
    enabled: bool
    rule: str


@dataclass(frozen=True)
class Encoding:
    """The grid of a quantizer: values are `scale * (q + offset)` for q in 0 .. 2^bitwidth - 1.

    Attributes:
        minimum: The smallest value of the grid, `scale * offset`.
        maximum: The largest value of the grid.
        scale: The step between two values.
        offset: The grid position of `minimum`; zero or negative for ranges that hold zero.
        bitwidth: Number of bits.
        symmetric: Whether the range is symmetric around zero.
    """

    minimum: float
    maximum: float
    scale: float
    offset: int
    bitwidth: int
    symmetric: bool = False
