"""Layers that Keras, tf.layers and slim write as several ops, and that AIMET 1.19.1 takes for one.

AIMET recognizes them by the ops alone, wherever they come from: two products in a row are a dropout to it, and every
reshaping of a tensor whose shape it does not compute is a flattening. (Its `sub_graph_matcher_op_templates`: each
pattern is the graph that one layer makes.) What such a group gives away is quantized once, at its last op.

A pattern is an op type with a pattern for each input; `*` is any op, `name=` names a part that occurs twice. The ops of
a group are those that a pattern names, and those behind a `*` that take their first input from one of the group.
Recurrent layers have patterns in AIMET, too; here they are left as the ops that they are.
"""

import re
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.marks import op_type
from quant_accuracy.graph.walk import DataFlow

CONVOLUTION, DEPTHWISE, DENSE, TRANSPOSED = "Conv2D", "DepthwiseConv2dNative", "Dense", "Conv2DTranspose"
BATCH_NORM, SPELLED_OUT = "FusedBatchNormV3", "BatchNorm"
_ANY = "*"


class _Pattern(NamedTuple):
    """An op type, and a pattern for each of its inputs; none for any inputs."""

    key: str
    op: str
    inputs: Tuple["_Pattern", ...]


class _Template(NamedTuple):
    """A layer: its type, its pattern, how many ops AIMET counts in it, and how it is named after one of its ops."""

    type: str
    pattern: _Pattern
    length: int
    names: Sequence[str]


@dataclass(frozen=True)
class Layer:
    """A layer of several ops that was found.

    Attributes:
        name: What AIMET calls it; two groups of one name are one op to it.
        type: Its type: of a convolution, `Conv2D`; of a dense layer, `Dense` ...
        node: The op that it is named for: the convolution, the batch norm ...
        length: How many ops its pattern has: the longer pattern wins.
    """

    name: str
    type: str
    node: str
    length: int


_TOKEN = re.compile(r"\s*(?:(\w+)=)?(\w+|\*)|\s*([(),])")


def _parse(text: str) -> _Pattern:
    tokens = [match.groups() for match in _TOKEN.finditer(text)]
    named: Dict[str, _Pattern] = {}
    position = 0

    def pattern() -> _Pattern:
        nonlocal position
        name, op, _ = tokens[position]
        position += 1
        if op in named:
            return named[op]
        key, inputs = str(position), []
        if position < len(tokens) and tokens[position][2] == "(":
            while tokens[position][2] != ")":
                position += 1
                inputs.append(pattern())
            position += 1
        found = _Pattern(key, op, tuple(inputs))
        if name:
            named[name] = found
        return found

    return pattern()


def _length(pattern: _Pattern) -> int:
    """How many ops a pattern names."""
    seen: Dict[str, bool] = {}
    waiting = [pattern]
    while waiting:
        part = waiting.pop()
        seen[part.key] = part.op != _ANY
        waiting += part.inputs
    return sum(seen.values())


def _template(kind: str, text: str, *names: str, length: int = 0) -> _Template:
    pattern = _parse(text)
    return _Template(kind, pattern, length or _length(pattern), names)


# The statistics of a batch norm that takes them from the batch, and the shape of a reshaping as Keras computes it.
_VARIANCE = "Mean(SquaredDifference(*, StopGradient(mean=Mean(*, *))), *)"
_FIRST_SIDE = "StridedSlice(Shape(*), *, *, *)"
# In AIMET's order: of two patterns of one length the first one wins.
TEMPLATES = (
    _template(CONVOLUTION, "Conv2D(*, *)", "(.+/Conv2D)$", "(.+/separable_conv2d)$", "(.+/convolution)$"),
    _template(CONVOLUTION, "BiasAdd(Conv2D(*, *), *)", "(.+/Conv2D)$", "(.+/separable_conv2d)$",
              "(.+/convolution)$"),
    _template(DEPTHWISE, "BiasAdd(DepthwiseConv2dNative(*, *), *)", "(.+/depthwise)$", "(.+/DepthwiseConv2dNative)$"),
    _template(DENSE, "BiasAdd(MatMul(*, *), *)", "(.+/MatMul)$"),
    # With a learning phase; the conditional is resolved here, and AIMET counts five ops in it.
    _template(BATCH_NORM, "Merge(FusedBatchNormV3(*, *, *, *, *))", "(.+)/cond/FusedBatchNormV3_1$", length=5),
    _template(BATCH_NORM, "FusedBatchNormV3(*, *, *, *, *)", "(.+)/FusedBatchNormV3$"),
    _template(SPELLED_OUT, f"AddV2(Mul(*, scale=Mul(Rsqrt(AddV2(Squeeze({_VARIANCE}), *)), *)), "
              "Sub(*, Mul(Squeeze(mean), scale)))", "(.+)/batchnorm/mul_1$"),
    _template(SPELLED_OUT, "AddV2(Mul(*, *), Sub(*, Mul(*, *)))", "(.+)/batchnorm/mul_1$"),
    _template("Softmax", "Reshape(Softmax(Reshape(*, *)), *)", "(.+)/Softmax$"),
    _template("Softmax", "Reshape(Softmax(Reshape(*, *)), Shape(*))", "(.+)/Softmax$"),
    _template("Dropout", "Merge(Identity(*))", "(.+)/cond/Merge$", length=6),
    _template("Dropout", "Mul(Mul(*, *), Cast(GreaterEqual(Add(Mul(RandomUniform(Shape(*)), *), *), *)))",
              "(.+)/.+/mul_1$"),
    _template("Dropout", "Mul(Mul(*, *), *)", "(.+)/.+/mul_1$"),
    _template("Flatten", f"Reshape(*, Pack({_FIRST_SIDE}, *))", "(.+/Reshape)$"),
    _template("Flatten", "Reshape(*, *)", "(.+/Reshape)$"),
    _template("Reshape", f"Reshape(*, Pack({_FIRST_SIDE}, *, *, *))", "(.+)/Reshape$"),
    _template("Upsample2D", "ResizeNearestNeighbor(*, Mul(StridedSlice(Shape(*), *, *, *), *))", "(.+)/Shape$"),
    _template("Upsample2D", "ResizeNearestNeighbor(*, *)", "(.+)/Shape$"),
    _template("GlobalMaxPool2D", "Max(*, *)", "(.+)/Max$"),
    _template("PReLU", "AddV2(Relu(*), Mul(*, Relu(Neg(*))))", "(.+/Relu)$"),
    _template("InstanceNormalization", f"AddV2(Mul(*, scale=Mul(Rsqrt(AddV2({_VARIANCE}, *)), *)), "
              "Sub(*, Mul(mean, scale)))", "(.+)/instancenorm/add_1$"),
    _template(TRANSPOSED, "Conv2DBackpropInput(Pack(StridedSlice(shape=Shape(*), *, *, *), "
              "AddV2(Mul(StridedSlice(shape, *, *, *), *), *), AddV2(Mul(StridedSlice(shape, *, *, *), *), *), *), "
              "*, *)", "(.+/conv2d_transpose)$"),
    _template(TRANSPOSED, "Conv2DBackpropInput(*, *, *)", "(.+/conv2d_transpose)$"),
    _template(TRANSPOSED, "BiasAdd(Conv2DBackpropInput(Pack(StridedSlice(shape=Shape(*), *, *, *), "
              "AddV2(Mul(StridedSlice(shape, *, *, *), *), *), AddV2(Mul(StridedSlice(shape, *, *, *), *), *), *), "
              "*, *), *)", "(.+/conv2d_transpose)$"),
    _template(TRANSPOSED, "BiasAdd(Conv2DBackpropInput(*, *, *), *)", "(.+/conv2d_transpose)$"),
)
_NAMED_FOR = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv2DBackpropInput", "FusedBatchNormV3", "Softmax")


def find(flow: DataFlow, valid: Set[str]) -> Dict[str, Layer]:
    """The layer of each op that belongs to one of several ops, or to one that has a name of its own.

    Args:
        flow: The graph.
        valid: The ops of the network.
    """
    layers: Dict[str, Layer] = {}
    for template in TEMPLATES:
        for node in flow.nodes.values():
            if node.name not in valid:
                continue
            matched = _match(template.pattern, node, flow)
            if matched is None or (node.name in layers and layers[node.name].length >= template.length):
                continue
            ops = [name for name in _inner(matched.values(), flow) if name in valid]
            # Part of a longer one that was found before.
            if any(name in layers and layers[name].length > template.length for name in ops):
                continue
            layer = Layer(_name(template, ops), template.type, _node(ops, flow.nodes), template.length)
            layers.update((name, layer) for name in ops)
    return layers


def _match(pattern: _Pattern, node: tf.NodeDef, flow: DataFlow) -> Optional[Dict[str, str]]:
    """The op of each part of a pattern, that of the last place where a part occurs twice; None without a match."""
    if pattern.op not in (_ANY, op_type(node)):
        return None
    found = {pattern.key: node.name}
    if pattern.inputs:
        sources = graph_nodes.data_inputs(node)
        if len(sources) != len(pattern.inputs):
            return None
        for part, source in zip(pattern.inputs, sources):
            inner = _match(part, flow.nodes[graph_nodes.op_of(source)], flow)
            if inner is None:
                return None
            found.update(inner)
    return found


def _inner(ops: Iterable[str], flow: DataFlow) -> List[str]:
    """Those that take their first input from another one of them."""
    matched = dict.fromkeys(ops)
    return [name for name in matched
            if any(graph_nodes.op_of(source) in matched for source in graph_nodes.data_inputs(flow.nodes[name])[:1])]


def _name(template: _Template, ops: Sequence[str]) -> str:
    for expression in template.names:
        for name in ops:
            found = re.match(expression, name)
            if found:
                return found.group(1)
    return ops[0]


def _node(ops: Sequence[str], nodes: Mapping[str, tf.NodeDef]) -> str:
    return next((name for name in ops if nodes[name].op in _NAMED_FOR), ops[0])
