"""Which tensors of a network get a quantizer, by AIMET 1.19's rules and a quantizer configuration.

Every op of the network gets a quantizer at its output, every weight and every bias one of its own; the configuration
then turns them on and off. Shape arithmetic, Identity and flattening ops never get one. A convolution or MatMul and
its BiasAdd count as one op, and so do all ops of a batch norm that is spelled out.
"""

from dataclasses import replace
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import spelled_out
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import overrides
from quant_accuracy.quantization.configuration import BIAS, OP_TYPES, WEIGHT, Configuration, OpRule, ParamRule
from quant_accuracy.quantization.records import (
    ACTIVATION,
    INPUT,
    OUTPUT,
    PARAM,
    Quantizer,
    Settings,
    Symmetry,
)

_LINEAR = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_WITHOUT_QUANTIZER = {"Identity", "Shape", "StridedSlice", "Pack", "Const", "NoOp"}
_BATCH_NORM = "BatchNormalization"
_TYPE_OF = {op: name for name, ops in OP_TYPES.items() for op in ops}
# Where the output channels of a weight lie, for encodings per channel.
_CHANNELS = {"Conv2D": 3, "DepthwiseConv2dNative": 2, "MatMul": 1}


class _Op(NamedTuple):
    """An op as a configuration sees it: a node, a linear one with its BiasAdd, or a batch norm of several.

    Attributes:
        node: The node; of several, the one that takes the activation.
        output: Name of the node that gives the output.
        type: Its name in configuration files; None where it has none.
        activation: The tensor of its output quantizer; None where it never gets one.
        params: Kind (`weight`, `bias`) and tensor of each param.
    """

    node: tf.NodeDef
    output: str
    type: Optional[str]
    activation: Optional[str]
    params: Sequence[Tuple[str, str]]


def place_quantizers(network: Network, settings: Settings) -> List[Quantizer]:
    """List every quantizer of a network, enabled or not, in the network's order.

    Args:
        network: The network, in a frozen graph, batch norms folded.
        settings: Bit widths, configuration and overrides.

    Raises:
        GraphError: A named op is missing or not connected.
        ConfigurationError: The configuration contradicts itself on a tensor, or an override matches nothing.
    """
    ops = _ops(network)
    placed = {quantizer.tensor: quantizer for op in ops for quantizer in _of_op(op, settings, network)}
    _configure(placed, ops, settings.configuration)
    quantizers = overrides.apply(list(placed.values()), settings.overrides)
    overrides.check_symmetry(quantizers)
    return quantizers


def _ops(network: Network) -> List[_Op]:
    nodes, inner, inside = network.nodes(), network.ops(), network.inside()
    uses = graph_nodes.uses(inner)
    groups = {group.output: group for group in spelled_out.find(network)}
    ops = []
    covered = {name for group in groups.values() for name in group.ops} - set(groups)
    for node in [nodes[network.start], *inner]:
        if node.name in covered:
            continue
        if node.name in groups:
            ops.append(_Op(nodes[groups[node.name].chain[0]], node.name, _BATCH_NORM, node.name + ":0", []))
            continue
        bias_add = _bias_add(node, uses)
        output = bias_add or node
        covered.add(output.name)
        flatten = node.op == "Reshape" and _is_flatten(node, nodes)
        activation = f"{output.name}:0" if _has_output_quantizer(output) and not flatten else None
        weighted = node.op in _LINEAR and node.name != network.start and graph_nodes.op_of(node.input[1]) not in inside
        params = _params(node, bias_add, uses, nodes) if weighted else []
        ops.append(_Op(node, output.name, "Flatten" if flatten else _TYPE_OF.get(node.op), activation, params))
    return ops


def _params(node: tf.NodeDef, bias_add: Optional[tf.NodeDef], uses: Mapping[str, List[graph_nodes.Use]],
            nodes: Mapping[str, tf.NodeDef]) -> List[Tuple[str, str]]:
    params = [(WEIGHT, graph_nodes.tensor_of(node.input[1]))]
    if bias_add is not None:
        params.append((BIAS, graph_nodes.tensor_of(bias_add.input[1])))
    for use in uses.get(node.name + ":0", []):
        # AIMET takes what a plain Add (not AddV2) adds to a MatMul for a weight.
        if node.op == "MatMul" and use.node.op == "Add" and use.position == 0 \
                and graph_nodes.is_constant(nodes, use.node.input[1]):
            params.append((WEIGHT, graph_nodes.tensor_of(use.node.input[1])))
    return params


def _bias_add(node: tf.NodeDef, uses: Mapping[str, List[graph_nodes.Use]]) -> Optional[tf.NodeDef]:
    """The BiasAdd that belongs to a convolution or MatMul."""
    readers = uses.get(node.name + ":0", [])
    if node.op in _LINEAR and len(readers) == 1 and readers[0].node.op == "BiasAdd":
        return readers[0].node
    return None


def _has_output_quantizer(node: tf.NodeDef) -> bool:
    if node.op in _WITHOUT_QUANTIZER:
        return False
    return all(node.attr[attribute].type == tf.float32.as_datatype_enum
               for attribute in ("T", "dtype", "DstT") if attribute in node.attr)


def _is_flatten(node: tf.NodeDef, nodes: Mapping[str, tf.NodeDef]) -> bool:
    """Whether AIMET takes a Reshape for a flattening.

    Its Reshape template is Keras' layer with a three-dimensional target, whose shape is packed from the batch size and
    three more values; every other Reshape matches its Flatten template.
    """
    shape = nodes[graph_nodes.op_of(node.input[1])]
    return not (shape.op == "Pack" and len(shape.input) == 4
                and nodes[graph_nodes.op_of(shape.input[0])].op == "StridedSlice")


def _of_op(op: _Op, settings: Settings, network: Network) -> List[Quantizer]:
    """The quantizers of an op, still disabled."""
    configuration = settings.configuration
    symmetry = Symmetry(False, configuration.strict, configuration.unsigned)
    found = []
    for role, tensor in op.params:
        axis = _CHANNELS[op.node.op] if configuration.per_channel and role == WEIGHT and tensor == op.params[0][1] \
            else None
        found.append(Quantizer(_name(tensor), tensor, PARAM, settings.param_bitwidth, symmetry, False,
                               "no rule enables it", role, axis))
    if op.activation is not None:
        role = INPUT if op.node.name == network.start else OUTPUT if op.output in network.outputs else ""
        found.append(Quantizer(_name(op.activation), op.activation, ACTIVATION, settings.output_bitwidth, symmetry,
                               False, "no rule enables it", role))
    return found


def _name(tensor: str) -> str:
    return graph_nodes.op_of(tensor) + "_quantized"


class _Step:
    """One step of a configuration: two ops may set the same tensor, if they agree."""

    def __init__(self, placed: Dict[str, Quantizer]) -> None:
        self._placed = placed
        self._said: Dict[Tuple[str, str], bool] = {}

    def enable(self, tensors: Iterable[str], value: Optional[bool], rule: str, covered: bool = False) -> None:
        for tensor in tensors if value is not None else ():
            assert value is not None
            self._say(tensor, "enabled", value, rule)
            self._placed[tensor] = replace(self._placed[tensor], enabled=value, rule=rule, covered=covered)

    def make_symmetric(self, tensors: Iterable[str], value: Optional[bool], rule: str) -> None:
        for tensor in tensors if value is not None else ():
            assert value is not None
            self._say(tensor, "symmetric", value, rule)
            before = self._placed[tensor]
            self._placed[tensor] = replace(before, symmetry=replace(before.symmetry, symmetric=value))

    def _say(self, tensor: str, what: str, value: bool, rule: str) -> None:
        if self._said.setdefault((tensor, what), value) != value:
            raise ConfigurationError(f"{tensor}: the quantizer configuration says both {what} and not {what} "
                                     f"({rule}); make the ops at its two ends agree")


def _configure(placed: Dict[str, Quantizer], ops: Sequence[_Op], configuration: Configuration) -> None:
    """The six steps, in AIMET's order."""
    by_output = {op.output: op for op in ops}
    start, inner = ops[0], ops[1:]
    step = _Step(placed)
    for op in inner:
        _apply_op(step, op, configuration.ops, by_output, "defaults: op outputs are quantized")
        for _, tensor in op.params:
            _apply_param(placed, tensor, configuration.all_params, "defaults: params are quantized")
    for op in inner:
        for kind, tensor in op.params:
            _apply_param(placed, tensor, configuration.params.get(kind), f"params: {kind}")
    step = _Step(placed)
    for op in ops:
        rule = configuration.op_types.get(op.type or "")
        if rule is not None:
            _apply_op(step, op, rule, by_output, f"op_type: {op.type}")
            for kind, tensor in op.params:
                _apply_param(placed, tensor, rule.params.get(kind), f"op_type: {op.type}")
    silenced = _Step(placed)
    for group, members in _supergroups(ops, configuration.supergroups, by_output):
        tensors = [op.activation for op in members[:-1] if op.activation is not None]
        silenced.enable(tensors, False, f"supergroups: {' + '.join(group)} is one op", covered=True)
    if start.activation is not None:
        _Step(placed).enable([start.activation], configuration.model_input, "model_input")
    consumed = {name for op in ops for name in _inputs(op, by_output)}
    last = [op.activation for op in ops if op.output not in consumed and op.activation is not None]
    _Step(placed).enable(last, configuration.model_output, "model_output")


def _apply_op(step: _Step, op: _Op, rule: OpRule, by_output: Mapping[str, _Op], name: str) -> None:
    before = _nearest(op, by_output)
    own = [op.activation] if op.activation is not None else []
    step.enable(before, rule.input, name)
    step.enable(own, rule.output, name)
    step.make_symmetric([*before, *own], rule.symmetric, name)


def _apply_param(placed: Dict[str, Quantizer], tensor: str, rule: Optional[ParamRule], name: str) -> None:
    if rule is not None:
        # Params are not asked twice for the same thing within a step, so that nothing can contradict.
        step = _Step(placed)
        step.enable([tensor], rule.quantized, name)
        step.make_symmetric([tensor], rule.symmetric, name)


def _inputs(op: _Op, by_output: Mapping[str, _Op]) -> List[str]:
    return [name for name in map(graph_nodes.op_of, op.node.input) if name in by_output]


def _nearest(op: _Op, by_output: Mapping[str, _Op]) -> List[str]:
    """The quantizers before an op, through ops that have none."""
    found: Dict[str, None] = {}
    seen, stack = set(), [op]
    while stack:
        for name in _inputs(stack.pop(), by_output):
            before = by_output[name]
            if before.activation is not None:
                found[before.activation] = None
            elif name not in seen:
                seen.add(name)
                stack.append(before)
    return list(found)


def _supergroups(ops: Sequence[_Op], groups: Sequence[Sequence[str]],
                 by_output: Mapping[str, _Op]) -> List[Tuple[Sequence[str], List[_Op]]]:
    """The chains of ops that are a supergroup, each with its pattern.

    AIMET searches depth first and comes to every op once: where two ways meet, only the first of them continues. A way
    that forks ends there.
    """
    consumers: Dict[str, List[_Op]] = {op.output: [] for op in ops}
    for op in ops:
        for name in dict.fromkeys(_inputs(op, by_output)):
            consumers[name].append(op)
    longest = max(map(len, groups), default=1)
    found: List[Tuple[Sequence[str], List[_Op]]] = []
    seen = set()
    stack: List[Tuple[_Op, List[_Op]]] = [(ops[0], [])]
    while stack:
        op, before = stack.pop()
        if op.output in seen:
            continue
        seen.add(op.output)
        chain = [*before, op][-longest:]
        found += [(group, chain[-len(group):]) for group in groups
                  if [member.type for member in chain[-len(group):]] == list(group)]
        following = consumers[op.output]
        stack += [(other, chain if len(following) == 1 else []) for other in reversed(following)]
    return found
