"""Which tensors of a network get a quantizer: AIMET 1.19's default configuration.

Every op of the network gets a quantizer at its output, every weight and every bias one of its own. Then:

- activations: on, 8 bits asymmetric, unless one of the rules below says otherwise;
- weights: on, 8 bits asymmetric; biases: off;
- a supergroup (Conv + Relu, Conv + Relu6, Add + Relu, MatMul + Relu) is one op for the hardware: only its last member
  keeps its quantizer.

Shape arithmetic, Identity and flattening ops never get one. A convolution or MatMul and its BiasAdd count as one op.
"""

from typing import List, Mapping, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantizer, Settings

_LINEAR = {"Conv2D": "Conv", "DepthwiseConv2dNative": "Conv", "MatMul": "Gemm"}
_TYPES = {**_LINEAR, "Add": "Add", "AddV2": "Add", "Relu": "Relu", "Relu6": "Clip"}
_SUPERGROUPS = (("Conv", "Relu"), ("Conv", "Clip"), ("Add", "Relu"), ("Gemm", "Relu"))
_WITHOUT_QUANTIZER = {"Identity", "Shape", "StridedSlice", "Pack", "Const", "NoOp"}


def place_quantizers(graph: tf.GraphDef, start: str, outputs: Sequence[str], settings: Settings) -> List[Quantizer]:
    """List every quantizer of the network between `start` and `outputs`, enabled or not, in the network's order.

    Args:
        graph: The frozen graph, batch norms folded.
        start: The starting op of the network.
        outputs: The output ops of the network.
        settings: Bit widths.

    Raises:
        GraphError: A named op is missing or not connected.
    """
    nodes = graph_nodes.by_name(graph)
    network = graph_nodes.between(graph, start, outputs)
    uses = graph_nodes.uses(network)
    placed: List[Quantizer] = []
    for node in network:
        if node.op in _LINEAR:
            placed += _params(node, uses, settings)
        bias_add = _bias_add(node, uses)
        if bias_add is None and _has_output_quantizer(node, nodes):
            rule = _supergroup(node, nodes, uses)
            placed.append(_quantizer(f"{node.name}:0", ACTIVATION, settings.output_bitwidth,
                                     rule is None, rule or "defaults: op outputs are quantized"))
    return placed


def _quantizer(tensor: str, kind: str, bitwidth: int, enabled: bool, rule: str) -> Quantizer:
    return Quantizer(graph_nodes.op_of(tensor) + "_quantized", tensor, kind, bitwidth, False, enabled, rule)


def _params(node: tf.NodeDef, uses: Mapping[str, List[graph_nodes.Use]], settings: Settings) -> List[Quantizer]:
    found = [_quantizer(graph_nodes.tensor_of(node.input[1]), PARAM, settings.param_bitwidth, True,
                        "params: weights are quantized")]
    bias_add = _bias_add(node, uses)
    if bias_add is not None:
        found.append(_quantizer(graph_nodes.tensor_of(bias_add.input[1]), PARAM, settings.param_bitwidth, False,
                                "params: biases are not quantized"))
    return found


def _bias_add(node: tf.NodeDef, uses: Mapping[str, List[graph_nodes.Use]]) -> Optional[tf.NodeDef]:
    """The BiasAdd that belongs to a convolution or MatMul."""
    readers = uses.get(node.name + ":0", [])
    if node.op in _LINEAR and len(readers) == 1 and readers[0].node.op == "BiasAdd":
        return readers[0].node
    return None


def _has_output_quantizer(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef]) -> bool:
    if node.op in _WITHOUT_QUANTIZER:
        return False
    for attribute in ("T", "dtype", "DstT"):
        if attribute in node.attr and node.attr[attribute].type != tf.float32.as_datatype_enum:
            return False
    return node.op != "Reshape" or not _is_flatten(node, nodes)


def _is_flatten(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef]) -> bool:
    """Whether AIMET takes a Reshape for a flattening.

    Its Reshape template is Keras' layer with a three-dimensional target, whose shape is packed from the batch size and
    three more values; every other Reshape matches its Flatten template.
    """
    shape = nodes[graph_nodes.op_of(node.input[1])]
    return not (shape.op == "Pack" and len(shape.input) == 4
                and nodes[graph_nodes.op_of(shape.input[0])].op == "StridedSlice")


def _supergroup(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef],
                uses: Mapping[str, List[graph_nodes.Use]]) -> Optional[str]:
    """The rule that silences `node` as a member, not the last, of a supergroup; None when it is not one."""
    member = node
    if node.op == "BiasAdd":
        before = nodes[graph_nodes.op_of(node.input[0])]
        member = before if _bias_add(before, uses) is node else node
    readers = uses.get(node.name + ":0", [])
    if len(readers) != 1:
        return None
    pair = (_TYPES.get(member.op), _TYPES.get(readers[0].node.op))
    return f"supergroups: {pair[0]} + {pair[1]} is one op" if pair in _SUPERGROUPS else None
