"""The vocabulary of quantization: quantizers, encodings, settings."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.quantization.configuration import Configuration

PARAM = "param"
ACTIVATION = "activation"
INPUT, OUTPUT = "input", "output"
OVERRIDE = "override: "
TF = "tf"
TF_ENHANCED = "tf_enhanced"
PERCENTILE = "percentile"
SCHEMES = (TF, TF_ENHANCED, PERCENTILE)
# Of scheme `percentile`, unless a card says otherwise.
SHARE = 99.99
BUILTIN, AIMET, AIMET_ONNX, AUTO = "builtin", "aimet", "aimet-onnx", "auto"
# What becomes of batch norms that are spelled out.
FOLD, KEEP = "fold", "keep"
# What folding names its biases and BiasAdds: their numbers depend on version and settings.
GENERATED = re.compile(r"bias_value(_\d+)?(/|:|$)")


def symmetry_word(symmetric: bool) -> str:
    """What a range is called."""
    return "symmetric" if symmetric else "asymmetric"


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
class Override:
    """What a model card says of single quantizers; None leaves what the configuration says.

    Attributes:
        tensors: A tensor name, or a pattern with `*` and `?`.
        bitwidth: Number of bits.
        symmetric: Whether the range is symmetric.
        enabled: Whether it quantizes.
    """

    tensors: str
    bitwidth: Optional[int] = None
    symmetric: Optional[bool] = None
    enabled: Optional[bool] = None


@dataclass(frozen=True)
class Settings:
    """How a network is to be quantized.

    Attributes:
        scheme: How what was seen becomes an encoding: `tf` takes the smallest and the largest value, `tf_enhanced` the
            grid with the least error over a histogram, `percentile` the range that holds so much of what was seen.
        param_bitwidth: Bits of weights.
        output_bitwidth: Bits of activations.
        configuration: Which tensors are quantized, and which ranges are symmetric.
        overrides: Exceptions for single quantizers, each overruling those before it.
        encodings_file: Encodings to be taken from a file instead of calibration.
        params_only: Of that file take only the params.
        backend: What places quantizers and makes encodings: `builtin`, `aimet` for the real AIMET, or `auto`.
        simulator: What runs the quantized network: `builtin` or `aimet`; None for the backend.
        spelled_out_batch_norms: What becomes of batch norms in plain ops: `fold`, or `keep` as one op of the network;
            None keeps them too, as AIMET does, and has the check on folding name them.
        percentile: Of scheme `percentile`: each end leaves out at most what is missing to 100.
    """

    scheme: str = TF
    param_bitwidth: int = 8
    output_bitwidth: int = 8
    configuration: Configuration = field(default_factory=Configuration)
    overrides: Tuple[Override, ...] = ()
    encodings_file: Optional[Path] = None
    params_only: bool = False
    backend: str = BUILTIN
    simulator: Optional[str] = None
    spelled_out_batch_norms: Optional[str] = None
    percentile: float = SHARE


def with_layer(tensor: str, layer: str) -> str:
    """The tensor of a quantizer, with its layer where the name does not tell: folding makes `bias_value_3:0`."""
    scope = tensor.split(":")[0].split("/")[0]
    return tensor if layer.startswith(scope) else f"{tensor} of {layer}"


@dataclass(frozen=True)
class Quantizer:
    """One place where a tensor is, or could be, quantized.

    Attributes:
        name: `<op>_quantized`, as AIMET names its quantize ops; numbered where an op of the network has that name.
        tensor: The tensor that is quantized, `<op>:0`.
        kind: `param` or `activation`.
        bitwidth: Number of bits.
        symmetry: Which ranges it may have.
        enabled: Whether it quantizes; a disabled one passes its tensor through.
        rule: The rule that decided.
        role: Of a param, `weight` or `bias`; of an activation, `input`, `output` or nothing.
        axis: The axis of the tensor whose elements have an encoding each; None for one encoding.
        covered: Whether a supergroup covers it: the op that gives its tensor and the one behind run as one.
    """

    name: str
    tensor: str
    kind: str
    bitwidth: int
    symmetry: Symmetry
    enabled: bool
    rule: str
    role: str = ""
    axis: Optional[int] = None
    covered: bool = False


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


# By tensor name: one encoding for the whole tensor, or one for each channel.
Encodings = Mapping[str, Tuple[Encoding, ...]]


@dataclass(frozen=True)
class Quantization:
    """How a network is quantized.

    Attributes:
        quantizers: Every quantizer of the network, enabled or not, in the order in which the network runs.
        encodings: The encodings of the enabled ones.
    """

    quantizers: Sequence[Quantizer]
    encodings: Encodings

    def enabled(self) -> List[Quantizer]:
        """The quantizers that quantize, in their order."""
        return [quantizer for quantizer in self.quantizers if quantizer.enabled]
