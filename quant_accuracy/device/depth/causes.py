"""What the parameters of an integer model say of an op that differs from the simulation's: grids, weights, biases."""

from typing import Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.device.depth import simulated_ops
from quant_accuracy.device.depth.contract import Place
from quant_accuracy.device.depth.records import INPUT
from quant_accuracy.device.tflite_tensors import Contents, Op, Tensor
from quant_accuracy.graph import nodes as graph_nodes

NO_PARAMETER = "grids, weights and biases are those of the simulation: its rounding or its kernel is another"
# Scales are float32 in the model.
_SAME = 1e-4
# Of a step of a weight's grid, of which the same value may differ by float32's rounding.
_SAME_STEP = 0.02
# Where the weights of an op stand among its inputs, and its bias, and the axes of the graph's weights as TFLite has
# them.
_WEIGHTS = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_AXES = {"CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (1, 0), "TRANSPOSE_CONV": (2, 0, 1, 3)}
_ADDITIONS = ("BiasAdd", "Add", "AddV2")


def of_tflite(contents: Contents, place: Place, nodes: Mapping[str, tf.NodeDef]) -> Tuple[str, ...]:
    """What is known of why an op, or an input, of a TFLite model differs.

    Args:
        contents: The model.
        place: The op.
        nodes: The simulation's ops, each fed from outside.
    """
    tensor = next(tensor for tensor in contents.tensors if tensor.name == place.name)
    found = list(_of_grid(contents, tensor, place))
    if place.type == INPUT:
        return tuple(found)
    op = contents.ops[place.place - 1]
    segment = simulated_ops.segment(nodes, place.counterpart.source)
    linear = [node for node in segment if node.op in graph_nodes.LINEAR]
    if len(linear) == 1 and op.type in _WEIGHTS:
        weights = contents.tensors[op.inputs[_WEIGHTS[op.type]]]
        reference = linear[0].input[graph_nodes.LINEAR[linear[0].op]]
        if weights.constant is not None and graph_nodes.is_constant(nodes, reference):
            found += _of_weights(op, weights, graph_nodes.constant(nodes, reference))
        found += _of_bias(contents, op, _bias(nodes, segment), tensor)
    return tuple(found) or (NO_PARAMETER,)


def _of_grid(contents: Contents, tensor: Tensor, place: Place) -> Iterator[str]:
    """Whether the grid of the tensor that it gives is another one."""
    encoding = place.counterpart.encoding
    now = _range(tensor)
    if encoding is None:
        if place.type == INPUT:
            yield (f"the device takes it on the grid {_ends(now)} of step {tensor.scales[0]:.4g}, which the "
                   "simulation's values do not lie on")
        elif not _passed_on(contents, tensor):
            yield f"the simulation does not quantize it, the model does: {_ends(now)}"
        return
    before = (encoding.scale * encoding.offset, encoding.scale * (encoding.offset + 2 ** encoding.bitwidth - 1))
    if _near(tensor.scales[0], encoding.scale) and max(abs(a - b) for a, b in zip(now, before)) < 0.5 * encoding.scale:
        return
    merged = " (that of the concat that takes it)" if _merged(contents, tensor) else ""
    yield f"range differs: {_ends(now)} in the model{merged}, {_ends(before)} in the simulation"


def _range(tensor: Tensor) -> Tuple[float, float]:
    limits = np.iinfo(tensor.dtype)
    return tuple(tensor.scales[0] * (end - tensor.zero_points[0]) for end in (limits.min, limits.max))  # type: ignore


def _ends(ends: Sequence[float]) -> str:
    return " .. ".join(f"{end:.4g}" for end in ends)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME * abs(other)


def _merged(contents: Contents, tensor: Tensor) -> bool:
    """Whether a concat takes the tensor, and gives the same grid."""
    return any(tensor.index in op.inputs and _same_grid(contents.tensors[op.outputs[0]], tensor)
               for op in contents.ops if op.type == "CONCATENATION")


def _passed_on(contents: Contents, tensor: Tensor) -> bool:
    """Whether the op that gives the tensor leaves values on the grid on which it takes them."""
    giver = contents.producers()[tensor.index]
    return any(index >= 0 and _same_grid(contents.tensors[index], tensor) for index in giver.inputs)


def _same_grid(one: Tensor, other: Tensor) -> bool:
    return one.scales == other.scales and one.zero_points == other.zero_points


def _of_weights(op: Op, weights: Tensor, wanted: np.ndarray) -> Iterator[str]:
    if len(weights.scales) != 1:
        return
    scale = weights.scales[0]
    found = (np.frombuffer(weights.constant or b"", weights.dtype).astype(np.float64) - weights.zero_points[0]) * scale
    laid_out = np.transpose(wanted, _AXES[op.type]) if op.type in _AXES and wanted.ndim == len(_AXES[op.type]) \
        else wanted
    if laid_out.size != found.size:
        return
    steps = np.abs(found - laid_out.astype(np.float64).ravel()) / scale
    count = int((steps > _SAME_STEP).sum())
    if count:
        yield f"{count} of {steps.size} weights differ, by up to {steps.max():.2g} steps"


def _bias(nodes: Mapping[str, tf.NodeDef], segment: Sequence[tf.NodeDef]) -> Optional[np.ndarray]:
    """The constant that is added behind the weights; zero where nothing is; None where that is not as simple."""
    added: List[np.ndarray] = []
    for node in segment:
        if node.op in _ADDITIONS:
            constants = [reference for reference in node.input if graph_nodes.is_constant(nodes, reference)]
            added += [graph_nodes.constant(nodes, reference) for reference in constants]
    if not added:
        return np.zeros(1)
    return added[0].ravel() if len(added) == 1 else None


def _of_bias(contents: Contents, op: Op, wanted: Optional[np.ndarray], given: Tensor) -> Iterator[str]:
    place = _BIAS[op.type]
    bias = contents.tensors[op.inputs[place]] if len(op.inputs) > place and op.inputs[place] >= 0 else None
    if wanted is None or bias is None or bias.constant is None or len(bias.scales) != 1:
        return
    # Kernels take the product of both scales for the bias's, whatever the file says.
    data = contents.tensors[op.inputs[2 if op.type == "TRANSPOSE_CONV" else 0]]
    scale = data.scales[0] * contents.tensors[op.inputs[_WEIGHTS[op.type]]].scales[0]
    found = np.frombuffer(bias.constant, bias.dtype).astype(np.float64) * scale
    if not _near(bias.scales[0], scale):
        yield (f"bias scale {bias.scales[0]:.4g} is not that of input and weights, {scale:.4g} "
               f"({bias.scales[0] / scale:.3g} times)")
    off = np.abs(found - wanted)
    if off.max() > scale and off.max() > 0.1 * given.scales[0]:
        power = float(wanted @ wanted) if wanted.size == found.size else 0.0
        ratio = float(found @ wanted) / power if power else 0.0
        alike = ratio and np.abs(found - ratio * wanted).max() < max(2 * scale, 0.01 * np.abs(found).max())
        how = f"they are {ratio:.3g} times those of the simulation" if alike \
            else f"by up to {off.max() / given.scales[0]:.1f} steps of the output"
        yield f"{'bias scale' if alike else 'biases differ'}: {how}"
