"""The parameters of an integer model against the encodings of its simulation, tensor by tensor.

A converter follows the encodings where its kernels allow it, and says nothing where they do not. What a device then
computes is no longer what was simulated, so it is looked for in the model itself, and told.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import StorageError
from quant_accuracy.device import tflite_tensors
from quant_accuracy.device.tflite_inputs import Input
from quant_accuracy.device.tflite_model import MODEL
from quant_accuracy.device.tflite_tensors import Contents, Op, Tensor
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.records import PARAM, Encoding, Quantization, Quantizer

# What became of an encoding.
SAME, MERGED, FIXED, MOVED, UNSCALED, CHANGED = "same", "merged", "fixed", "moved", "unscaled", "changed"
# What has no encoding: a range that the converter made up, a bias, the network's input; and the other way round, an
# encoding that is nowhere in the model.
INVENTED, BIAS, INPUT, ABSENT = "invented", "bias", "input", "absent"
FILE = "parameters.json"
# A scale is a float32 there, and a range of two float32s before: roundings of each.
_NEAR = 1e-6
_INTEGERS = ("uint8", "int8", "int16")
_CONCATENATION, _REQUANTIZATION = "CONCATENATION", "QUANTIZE"
# Kernels whose outputs have one range, whatever they are given.
_FIXED = ("LOGISTIC", "SOFTMAX", "TANH", "L2_NORMALIZATION", "LOG_SOFTMAX")
# Kernels that take integers for what they are and do not rescale them, so that all grids have to be the same.
_MOVING = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "PAD", "SLICE",
           "STRIDED_SLICE", "SPLIT", "GATHER", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "DEPTH_TO_SPACE",
           "SPACE_TO_DEPTH", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "MAXIMUM", "MINIMUM")


@dataclass(frozen=True)
class Parameter:
    """The grid of a tensor of the model, and the encoding that it was to have.

    Attributes:
        tensor: The graph's tensor; the model's own name where the graph has none of its kind.
        kind: What became of the encoding, one of this module's words.
        op: The type of the op that gives it, or that takes it where it is constant; empty where there is none.
        scale: Of the model; None where it is not in there.
        zero_point: Of the model, likewise.
        wanted_scale: Of the encoding; None where there is none.
        wanted_zero_point: Of the encoding, likewise; of pixels, where their zero lies, which may be between two.
    """

    tensor: str
    kind: str
    op: str
    scale: Optional[float]
    zero_point: Optional[int]
    wanted_scale: Optional[float]
    wanted_zero_point: Optional[float]

    def ratio(self) -> float:
        """How much larger one step is than the other, at least 1; 1 where one of them is missing."""
        if not self.scale or not self.wanted_scale:
            return 1.0
        return max(self.scale / self.wanted_scale, self.wanted_scale / self.scale)


def compare(contents: Contents, quantization: Quantization, inputs: Sequence[Input]) -> List[Parameter]:
    """The parameters of a model in the order in which it runs, and the encodings that it lacks behind them.

    Args:
        contents: What the model is made of.
        quantization: Of the simulation.
        inputs: What the model takes.
    """
    names, producers, consumers = Names(contents, quantization), contents.producers(), _consumers(contents)
    found, seen = [], set()
    for tensor in _in_order(contents):
        if not tensor.scales:
            continue
        quantizer = names.quantizer(tensor)
        op = producers.get(tensor.index)
        place = (op or consumers.get(tensor.index) or _NO_OP).type
        if quantizer is not None:
            seen.add(quantizer.tensor)
        encoding = None if quantizer is None else quantization.encodings[quantizer.tensor][0]
        if tensor.index in contents.inputs:
            # An input that has no quantizer is on the grid of pixels.
            given = inputs[contents.inputs.index(tensor.index)]
            wanted: Tuple[Optional[float], Optional[float]] = (1.0 / given.std, given.mean)
            kind = SAME if _agrees(tensor, 1.0 / given.std, given.mean) else INPUT
        else:
            wanted = (None, None) if encoding is None else (encoding.scale, _zero_point(encoding))
            kind = _kind(contents, tensor, op, encoding, consumers)
        found.append(Parameter(names.graph_name(tensor), kind, place, tensor.scales[0], tensor.zero_points[0], *wanted))
    absent = [q for q in quantization.enabled() if q.tensor not in seen and q.role != "bias"]
    lacking = [(q.tensor, quantization.encodings[q.tensor][0]) for q in absent]
    return found + [Parameter(name, ABSENT, "", None, None, encoding.scale, _zero_point(encoding))
                    for name, encoding in lacking]


_NO_OP = Op("", (), ())


def _zero_point(encoding: Encoding) -> float:
    """The step that is zero; a range that is exactly symmetric leaves the first step out."""
    return float(-encoding.offset + int(encoding.minimum == -encoding.maximum))


def _kind(contents: Contents, tensor: Tensor, op: Optional[Op], encoding: Optional[Encoding],
          consumers: Mapping[int, Op]) -> str:
    if tensor.dtype not in _INTEGERS:
        return BIAS
    if _unscaled(contents, op):
        return UNSCALED
    if encoding is not None and _agrees(tensor, encoding.scale, _zero_point(encoding)):
        return SAME
    consumer = consumers.get(tensor.index)
    concatenated = _CONCATENATION in ((op or _NO_OP).type, (consumer or _NO_OP).type)
    if encoding is None:
        return MERGED if concatenated and op is not None and op.type == _REQUANTIZATION else \
            MOVED if op is not None and op.type in _MOVING else INVENTED
    if op is not None and op.type in _FIXED:
        return FIXED
    if op is not None and op.type in _MOVING:
        return MOVED
    return MERGED if concatenated else CHANGED


def _unscaled(contents: Contents, op: Optional[Op]) -> bool:
    """Whether an op takes the integers of one grid for those of another."""
    if op is None or op.type not in _MOVING:
        return False
    tensors = [contents.tensors[index] for index in (*op.inputs, *op.outputs) if index >= 0]
    return len({(t.scales, t.zero_points) for t in tensors if t.dtype in _INTEGERS}) > 1


def _agrees(tensor: Tensor, scale: float, zero_point: float) -> bool:
    return len(tensor.scales) == 1 and abs(tensor.scales[0] / scale - 1) <= _NEAR \
        and abs(tensor.zero_points[0] - zero_point) <= _NEAR


def _consumers(contents: Contents) -> Dict[int, Op]:
    """The first op that takes each tensor."""
    found: Dict[int, Op] = {}
    for op in contents.ops:
        for index in op.inputs:
            found.setdefault(index, op)
    return found


def _in_order(contents: Contents) -> List[Tensor]:
    """Every tensor once: those that an op takes before those that it gives, op by op."""
    order = [*contents.inputs, *(index for op in contents.ops for index in (*op.inputs, *op.outputs) if index >= 0)]
    return [contents.tensors[index] for index in dict.fromkeys(order)]


class Names:
    """The graph's tensors by the names that a converter gives to those of its model.

    TensorFlow 1.15's takes the op that gives a tensor, or the fake-quant op behind it; that of TensorFlow 2 joins the
    names of all ops that it has made one of, the last one first, and numbers what it has added.
    """

    def __init__(self, contents: Contents, quantization: Quantization) -> None:
        self._computed: Set[int] = {index for op in contents.ops for index in op.outputs}
        self._known: Dict[str, Quantizer] = {}
        for quantizer in quantization.enabled():
            self._known[graph_nodes.op_of(quantizer.tensor)] = self._known[quantizer.name] = quantizer
        self._requantized = {index for op in contents.ops if op.type == _REQUANTIZATION for index in op.outputs}

    def quantizer(self, tensor: Tensor) -> Optional[Quantizer]:
        """The enabled quantizer of what the tensor stands for; None where it has none."""
        if tensor.index in self._requantized or tensor.dtype not in _INTEGERS:
            return None
        for part in tensor.name.split(";"):
            found = self._known.get(part.replace("/transpose", "") if tensor.constant else part)
            # The name of an activation may hold those of its weights, and the other way round.
            if found is not None and (found.kind == PARAM) == (tensor.index not in self._computed
                                                               and tensor.constant is not None):
                return found
        return None

    def graph_name(self, tensor: Tensor) -> str:
        """The graph's tensor, `op:0`; the model's own name where no quantizer tells."""
        found = self.quantizer(tensor)
        return tensor.name if found is None else found.tensor


_TOLD: Mapping[str, str] = {
    UNSCALED: "takes the integers of one grid for those of another, since its kernel does not rescale",
    CHANGED: "has another range than its encoding",
    MERGED: "shares a range with what it is joined with, not that of its encoding",
    FIXED: "has the one range that its kernel knows, not that of its encoding",
    MOVED: "keeps the range of what it is moved from, since its kernel does not rescale",
    INVENTED: "has no encoding, and a range that the converter made up",
    ABSENT: "is quantized in the simulation and not in the integer model",
}
# Of these so many are named.
_NAMED = 2


def notes(kind: str, found: Sequence[Parameter]) -> List[str]:
    """A line for each way in which a model differs from its encodings; what is usual is not told.

    Args:
        kind: Of the model, `tflite`.
        found: What `compare` found.
    """
    lines = []
    for what, told in _TOLD.items():
        # The range of a constant or a moved tensor that had none before is nobody's surprise.
        those = sorted((p for p in found if p.kind == what and not (what in (MOVED, INVENTED) and _harmless(p))),
                       key=lambda p: -p.ratio())
        if those:
            named = ", ".join(_described(p) for p in those[:_NAMED])
            more = f" and {len(those) - _NAMED} more" if len(those) > _NAMED else ""
            lines.append(f"{kind}: {named}{more}: {told}")
    for shifted in (p for p in found if p.kind == INPUT):
        lines.append(f"{kind}: the input's zero is the pixel {shifted.zero_point}, and {shifted.wanted_zero_point:g} "
                     "in the simulation: every pixel is moved by that much")
    biases = sum(p.kind == BIAS for p in found)
    if biases:
        lines.append(f"{kind}: {biases} biases have 32 bits, in steps of input times weights; in the simulation they "
                     "are in floating point, or on the grids of their quantizers")
    return lines


def _harmless(parameter: Parameter) -> bool:
    return parameter.wanted_scale is None and (parameter.kind == MOVED or not parameter.op)


def _described(parameter: Parameter) -> str:
    ratio = parameter.ratio()
    if ratio == 1.0 and parameter.op:
        return f"{parameter.tensor} ({parameter.op})"
    return parameter.tensor if ratio == 1.0 else f"{parameter.tensor} ({parameter.op}, step x {ratio:.3g})"


def counts(found: Sequence[Parameter]) -> Dict[str, int]:
    """How many parameters are of each kind."""
    return {kind: sum(p.kind == kind for p in found) for kind in dict.fromkeys(p.kind for p in found)}


def write(folder: Path, quantization: Quantization, inputs: Sequence[Input]) -> None:
    """Compare the `model.tflite` of a folder, and leave `parameters.json` beside it."""
    found = compare(tflite_tensors.read(folder / MODEL), quantization, inputs)
    files.write_json(folder / FILE, [asdict(item) for item in found])


def read(folder: Path) -> Tuple[Parameter, ...]:
    """What `write` left; nothing for a model without a file of its own.

    Raises:
        StorageError: It is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return ()
    try:
        document: Any = read_json(path)
        return tuple(Parameter(**item) for item in document)
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path}: not readable ({error}); delete {folder}, it will be rebuilt") from error
