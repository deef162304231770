"""Whether a batch norm can be folded into a convolution or dense op exactly, and what that op then multiplies and adds.

All is done in float32 and in AIMET's order, to the last bit: a weight that rounds the other way is a whole step.
"""

from typing import NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.folding.spelled_out import SpelledOut
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_OUTPUT = "it gives an output of the network, whose name has to stay"
_NOT_CONSTANT = "its parameters are not constant"


class Norm(NamedTuple):
    """A fused batch norm, and the op that gives its output: itself, or what a conditional around it ended in."""

    node: tf.NodeDef
    output: str


class Linear(NamedTuple):
    """A convolution or dense op with constant weights, and the BiasAdd behind it.

    Attributes:
        node: The op.
        weights: The Const that holds its weights.
        bias_add: The BiasAdd behind it.
        bias: The Const that holds its bias.
        own: Whether nothing else reads its weights; otherwise it needs a copy of them.
        own_bias: The same of its bias.
    """

    node: tf.NodeDef
    weights: tf.NodeDef
    bias_add: Optional[tf.NodeDef]
    bias: Optional[tf.NodeDef]
    own: bool
    own_bias: bool

    @property
    def output(self) -> str:
        """The op that gives what it computes."""
        return str((self.node if self.bias_add is None else self.bias_add).name)


class Match(NamedTuple):
    """A batch norm that can be folded.

    Attributes:
        name: Its name.
        linear: What it is folded into.
        weights: The new weights.
        bias: float32 [output channels], the new bias.
        ends: The ops that are replaced: who read the first of them reads `instead` now, and all of them go.
        instead: A tensor; None for the output of the op that it was folded into.
    """

    name: str
    linear: Linear
    weights: np.ndarray
    bias: np.ndarray
    ends: Sequence[str]
    instead: Optional[str] = None


Found = Union[Match, str]


class Matcher:
    """What is needed to fold the batch norms of a network, or the reasons why they cannot be folded."""

    def __init__(self, network: Network) -> None:
        self._nodes = network.nodes()
        self._uses = graph_nodes.uses(network.graph.node)
        self._outputs, self._inside = set(network.outputs), network.inside()

    def behind(self, norm: Norm, linear: str) -> Found:
        """Fold a batch norm into the convolution before it."""
        return self._behind(norm, self._nodes[linear])

    def alone(self, norm: Norm) -> Found:
        """Fold a batch norm for which AIMET has no convolution, if that is because convolutions share a kernel."""
        between = []
        node = self._nodes[graph_nodes.op_of(norm.node.input[0])]
        while node.op == "Identity":
            between.append(node.name)
            node = self._nodes[graph_nodes.op_of(node.input[0])]
        if node.op == "BiasAdd":
            node = self._nodes[graph_nodes.op_of(node.input[0])]
        return self._behind(norm, node, True, between)

    def _behind(self, norm: Norm, node: tf.NodeDef, alone: bool = False, between: Sequence[str] = ()) -> Found:
        follows = self._nodes[graph_nodes.op_of(norm.node.input[0])]
        linear = self._linear(node, _CONVOLUTIONS, follows)
        if isinstance(linear, str):
            return linear
        problem = self._unfit(norm) or self._read_elsewhere(linear, between)
        if problem:
            return problem
        if alone and linear.own:
            return f"it follows {follows.op} {follows.name!r}, through which AIMET 1.19.1 does not fold" if between \
                else f"AIMET 1.19.1 does not find it behind {node.name!r}"
        parameters = self._parameters(norm.node)
        if parameters is None:
            return _NOT_CONSTANT
        gamma, beta, mean, inverse = parameters
        if linear.bias is not None:
            mean = mean - _value(linear.bias)
        return Match(norm.node.name, linear, _scaled(linear, gamma * inverse), beta - mean * gamma * inverse,
                     [norm.output, norm.node.name, *between])

    def before(self, norm: Norm, name: str) -> Found:
        """Fold a batch norm into the convolution or dense op behind it."""
        node = self._nodes[name]
        linear = self._linear(node, (*_CONVOLUTIONS, "MatMul"), node)
        if isinstance(linear, str):
            return linear
        problem = self._unfit(norm)
        if problem:
            return problem
        if linear.bias_add is None and node.name in self._outputs:
            return _OUTPUT
        if not linear.own or not linear.own_bias:
            return f"the weights of {node.name!r} are shared"
        parameters = self._parameters(norm.node)
        if parameters is None:
            return _NOT_CONSTANT
        gamma, beta, mean, inverse = parameters
        shift = beta - mean * gamma * inverse
        weights = _value(linear.weights)
        reason = _inexact(node, weights, shift)
        if reason:
            return reason
        axis = weights.ndim - 2
        wide = [-1 if number == axis else 1 for number in range(weights.ndim)]
        summed = weights.astype(np.float64).sum(axis=tuple(range(axis)))
        bias = (shift.astype(np.float64) @ summed).astype(np.float32)
        if linear.bias is not None:
            bias = bias + _value(linear.bias)
        return Match(norm.node.name, linear, weights * (gamma * inverse).reshape(wide), bias,
                     [norm.output, norm.node.name], str(norm.node.input[0]))

    def spelled_out(self, group: SpelledOut) -> Found:
        """Fold a batch norm that is spelled out in plain ops."""
        if group.output in self._outputs:
            return _OUTPUT
        if group.scale is None:
            return "it takes its statistics from the batch; export the checkpoint for inference, not in training mode"
        node = self._nodes[graph_nodes.op_of(group.input)]
        if node.op == "BiasAdd":
            node = self._nodes[graph_nodes.op_of(node.input[0])]
        linear = self._linear(node, (*_CONVOLUTIONS, "MatMul"), self._nodes[graph_nodes.op_of(group.input)])
        if isinstance(linear, str):
            return linear
        problem = self._read_elsewhere(linear, ())
        if problem:
            return problem
        channels = _channels(linear)
        scale, shift = group.scale, np.zeros(1, np.float32) if group.shift is None else group.shift
        if any(value.size not in (1, channels) or (value.size > 1 and value.shape[-1] != channels)
               for value in (scale, shift)):
            return f"it does not have one scale for each of the {channels} output channels of {linear.node.name!r}"
        scale, shift = np.broadcast_to(scale.reshape(-1), [channels]), shift.reshape(-1)
        if linear.bias is not None:
            shift = shift + _value(linear.bias) * scale
        return Match(group.name, linear, _scaled(linear, scale), np.broadcast_to(shift, [channels]),
                     [group.output, *group.chain[:-1]])

    def _unfit(self, norm: Norm) -> str:
        node = norm.node
        if {node.name, norm.output} & self._outputs:
            return _OUTPUT
        if node.attr["is_training"].b:
            return "it is in training mode"
        if node.attr["data_format"].s not in (b"", b"NHWC"):
            return f"its data format is {node.attr['data_format'].s.decode()}, not NHWC"
        if any(f"{node.name}:{index}" in self._uses for index in (1, 2, 3, 4, 5)):
            return "its statistics are used elsewhere"
        return ""

    def _parameters(self, node: tf.NodeDef) -> Optional[Tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """gamma, beta, mean and 1 / sigma of a fused batch norm; None where they are not constant."""
        try:
            gamma, beta, mean, variance = (graph_nodes.constant(self._nodes, source) for source in node.input[1:5])
        except GraphError:
            return None
        return gamma, beta, mean, np.float32(1) / np.sqrt(variance + np.float32(node.attr["epsilon"].f))

    def _linear(self, node: tf.NodeDef, types: Sequence[str], follows: tf.NodeDef) -> Union[Linear, str]:
        """An op with constant weights, and what belongs to it; or why nothing can be folded into it."""
        if node.op not in types:
            return f"it follows {follows.op} {follows.name!r}, not a convolution"
        if node.name not in self._inside:
            return f"{node.name!r} lies before the network's starting op"
        if "data_format" in node.attr and node.attr["data_format"].s not in (b"", b"NHWC"):
            return f"the data format of {node.name!r} is {node.attr['data_format'].s.decode()}, not NHWC"
        readers = self._uses.get(node.name + ":0", [])
        bias_add = readers[0].node if len(readers) == 1 and readers[0].node.op == "BiasAdd" else None
        try:
            weights = graph_nodes.constant_node(self._nodes, node.input[1])
            bias = None if bias_add is None else graph_nodes.constant_node(self._nodes, bias_add.input[1])
        except GraphError:
            return f"the weights of {node.name!r} are not constant"
        own_bias = bias_add is None or self._own(bias_add.input[1])
        return Linear(node, weights, bias_add, bias, self._own(node.input[1]), own_bias)

    def _read_elsewhere(self, linear: Linear, between: Sequence[str]) -> str:
        """Whose output others read than the batch norm, in words; empty if nobody's."""
        for name in dict.fromkeys([linear.node.name, linear.output, *between]):
            if len(self._uses.get(name + ":0", ())) != 1 or name in self._outputs:
                return f"the output of {name!r} is used elsewhere"
        return ""

    def _own(self, reference: str) -> bool:
        """Whether a constant is read in one place, through one reader of each."""
        node = self._nodes[graph_nodes.op_of(reference)]
        while len(self._uses[node.name + ":0"]) == 1 and node.op == "Identity":
            node = self._nodes[graph_nodes.op_of(node.input[0])]
        return len(self._uses[node.name + ":0"]) == 1 and node.op == "Const"


def _value(node: tf.NodeDef) -> np.ndarray:
    return tf.make_ndarray(node.attr["value"].tensor)


def _inexact(node: tf.NodeDef, weights: np.ndarray, shift: np.ndarray) -> str:
    """Why AIMET's folding of a batch norm into the op behind it changes what the network does; empty if it does not."""
    inputs = weights.shape[-2]
    if node.op == "MatMul":
        if _transposed(node) or inputs != shift.size:
            return f"{node.name!r} takes {inputs} values of its {shift.size} channels, for which AIMET 1.19.1 takes " \
                   "statistics that are not there"
        return ""
    if node.op == "DepthwiseConv2dNative" and inputs != 1:
        return f"AIMET 1.19.1 folds it into {node.name!r} with the statistics of one channel for all"
    if inputs != shift.size:
        return f"{node.name!r} does not take its {shift.size} channels as they are"
    if weights.shape[:2] != (1, 1) and node.attr["padding"].s != b"VALID" and shift.any():
        return f"{node.name!r} pads images with zeros, which it would shift; AIMET 1.19.1 folds it all the same"
    return ""


def _channels(linear: Linear) -> int:
    sides = [side.size for side in linear.weights.attr["value"].tensor.tensor_shape.dim]
    if linear.node.op == "MatMul":
        return int(sides[0 if _transposed(linear.node) else 1])
    return int(graph_nodes.size_of(sides[2:] if linear.node.op == "DepthwiseConv2dNative" else sides[-1:]))


def _scaled(linear: Linear, scale: np.ndarray) -> np.ndarray:
    """The weights with a factor for each output channel."""
    node, weights = linear.node, _value(linear.weights)
    if node.op == "DepthwiseConv2dNative":
        # Such a kernel is [height, width, channels, multiplier] and its output channels are channels x multiplier.
        return np.asarray(weights * scale.reshape(weights.shape[2:]))
    if node.op == "MatMul" and _transposed(node):
        return np.asarray(weights * scale[:, np.newaxis])
    return np.asarray(weights * scale)


def _transposed(dense: tf.NodeDef) -> bool:
    # To ask a node for an attribute that it does not have would give it one.
    return "transpose_b" in dense.attr and bool(dense.attr["transpose_b"].b)
