"""Which tensors of a network get a quantizer, by AIMET 1.19's rules and a quantizer configuration.

Every op of the connected graph gets a quantizer at its output, every weight and every bias one of its own; the
configuration then turns them on and off. Shapes, Identity and flattening ops, and what gives no float numbers, never
get one. (AIMET's `_get_ops_to_quantize_activations_for`, `OpQuery.get_weight_ops`, `QuantSimConfigurator`.)
"""

from dataclasses import replace
from typing import AbstractSet, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.graph import connected_graph, control_flow, marks
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.connected_graph import ConnectedGraph, ConnectedOp
from quant_accuracy.graph.dtypes import output_dtype
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

# What adds a bias, and what AIMET takes such a bias for.
_ADDING = {"BiasAdd": BIAS, "Add": WEIGHT}
_WITHOUT_QUANTIZER = ("Flatten", "Shape", "Identity")
_TYPE_OF = {op: name for name, ops in OP_TYPES.items() for op in ops}
# Ops whose weights have quantizers, and where the output channels of these lie, for encodings per channel.
_CHANNELS = {"Conv2D": 3, "DepthwiseConv2dNative": 2, "MatMul": 1}


class _Param(NamedTuple):
    """A param of an op: what AIMET takes it for, its tensor, and the axis of its output channels, if it has them."""

    role: str
    tensor: str
    axis: Optional[int]


class _Op(NamedTuple):
    """An op as a configuration sees it.

    Attributes:
        connected: The op of the connected graph.
        type: Its name in configuration files; None where it has none.
        activation: The tensor of its output quantizer; None where it never gets one.
        params: Its params.
    """

    connected: ConnectedOp
    type: Optional[str]
    activation: Optional[str]
    params: Sequence[_Param]


def place_quantizers(network: Network, settings: Settings) -> List[Quantizer]:
    """List every quantizer of a network, enabled or not, in the network's order.

    Args:
        network: The network, in a frozen graph, batch norms folded.
        settings: Bit widths, configuration and overrides.

    Raises:
        GraphError: A named op is missing or not connected.
        ConfigurationError: The configuration contradicts itself on a tensor, or an override matches nothing.
    """
    graph = connected_graph.connect(network)
    ops = _ops(network, graph)
    taken = {node.name.lower() for node in network.graph.node}
    placed = {quantizer.tensor: quantizer for op in ops.values() for quantizer in _of_op(op, settings, network, taken)}
    _configure(placed, ops, settings.configuration, graph)
    quantizers = overrides.apply(in_order(placed.values(), network), settings.overrides)
    overrides.check_symmetry(quantizers)
    return quantizers


def _ops(network: Network, graph: ConnectedGraph) -> Dict[str, _Op]:
    nodes = graph.flow.nodes
    # AIMET has no quantizers in loops and branches: what stands there cannot be observed. To TensorFlow what leaves a
    # loop stands in it, too, unlike what leaves a branch.
    held = control_flow.inside(nodes) | marks.taken(nodes) | {node.name for node in nodes.values() if node.op == "Exit"}
    params = _params(network, graph, held)
    ops = {}
    for connected in graph.ops.values():
        output = nodes[connected.output]
        quantized = connected.type not in _WITHOUT_QUANTIZER and output.name not in held \
            and output_dtype(output) == tf.float32
        ops[connected.name] = _Op(connected, _TYPE_OF.get(connected.type), f"{output.name}:0" if quantized else None,
                                  params.get(connected.name, []))
    return ops


def _params(network: Network, graph: ConnectedGraph, held: AbstractSet[str]) -> Dict[str, List[_Param]]:
    """The params of each connected op: the second input of ops with weights, and of what adds to their output."""
    found: Dict[str, List[_Param]] = {}
    nodes, owners = graph.flow.nodes, graph.owners
    for node in network.graph.node:
        if node.op in _CHANNELS and node.name in owners and node.name not in held \
                and graph_nodes.op_of(node.input[1]) not in owners:
            found.setdefault(owners[node.name], []).append(
                _Param(WEIGHT, graph_nodes.tensor_of(node.input[1]), _CHANNELS[node.op]))
            for reader in (nodes[name] for name in graph.flow.consumers(node.name) if name in owners):
                if reader.op in _ADDING and graph_nodes.op_of(reader.input[1]) not in owners:
                    found.setdefault(owners[reader.name], []).append(
                        _Param(_ADDING[reader.op], graph_nodes.tensor_of(reader.input[1]), None))
    return found


def quantizer_name(tensor: str, taken: AbstractSet[str]) -> str:
    """The name of a tensor's quantizer: that of its op with `_quantized` behind, numbered where an op has that name.

    Args:
        tensor: The tensor.
        taken: The names of the network's ops in lower case.
    """
    return graph_nodes.fresh_name(taken, graph_nodes.op_of(tensor) + "_quantized")


def _of_op(op: _Op, settings: Settings, network: Network, taken: AbstractSet[str]) -> List[Quantizer]:
    """The quantizers of an op, still disabled."""
    configuration = settings.configuration
    symmetry = Symmetry(False, configuration.strict, configuration.unsigned)
    found = [Quantizer(quantizer_name(param.tensor, taken), param.tensor, PARAM, settings.param_bitwidth, symmetry,
                       False, "no rule enables it", param.role, param.axis if configuration.per_channel else None)
             for param in op.params]
    if op.activation is not None:
        role = INPUT if op.connected.starting else OUTPUT if op.connected.output in network.outputs else ""
        found.append(Quantizer(quantizer_name(op.activation, taken), op.activation, ACTIVATION,
                               settings.output_bitwidth, symmetry, False, "no rule enables it", role))
    return found


def in_order(quantizers: Iterable[Quantizer], network: Network) -> List[Quantizer]:
    """As the network runs: params where the op is that takes them, before its output."""
    where: Dict[str, int] = {}
    nodes = network.nodes()
    for position, node in enumerate([*(nodes[name] for name in network.starts), *network.ops()]):
        for tensor in [*map(graph_nodes.tensor_of, node.input), f"{node.name}:0"]:
            where.setdefault(tensor, position)
    return sorted(quantizers, key=lambda quantizer: (where[quantizer.tensor], quantizer.kind == ACTIVATION))


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


def _configure(placed: Dict[str, Quantizer], ops: Mapping[str, _Op], configuration: Configuration,
               graph: ConnectedGraph) -> None:
    """The six steps, in AIMET's order."""
    first = [op for op in ops.values() if not op.connected.inputs]
    step = _Step(placed)
    for op in ops.values():
        if op.connected.inputs:
            _apply_op(step, op, configuration.ops, ops, "defaults: op outputs are quantized")
        for param in op.params:
            _apply_param(placed, param.tensor, configuration.all_params, "defaults: params are quantized")
    for op in ops.values():
        for param in op.params:
            _apply_param(placed, param.tensor, configuration.params.get(param.role), f"params: {param.role}")
    step = _Step(placed)
    for op in ops.values():
        rule = configuration.op_types.get(op.type or "")
        # AIMET asks only ops that have a quantizer of their own: no Flatten, no Identity.
        if rule is not None and op.activation is not None:
            _apply_op(step, op, rule, ops, f"op_type: {op.type}")
            for param in op.params:
                _apply_param(placed, param.tensor, rule.params.get(param.role), f"op_type: {op.type}")
    silenced = _Step(placed)
    for group, members in _supergroups(ops, configuration.supergroups, graph):
        tensors = [op.activation for op in members[:-1] if op.activation is not None]
        silenced.enable(tensors, False, f"supergroups: {' + '.join(group)} is one op", covered=True)
    _Step(placed).enable([op.activation for op in first if op.activation is not None], configuration.model_input,
                         "model_input")
    last = [op.activation for op in ops.values() if not op.connected.consumers and op.activation is not None]
    _Step(placed).enable(last, configuration.model_output, "model_output")


def _apply_op(step: _Step, op: _Op, rule: OpRule, ops: Mapping[str, _Op], name: str) -> None:
    before = _nearest(op, ops)
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


def _nearest(op: _Op, ops: Mapping[str, _Op]) -> List[str]:
    """The quantizers before an op, through ops that have none."""
    found: Dict[str, None] = {}
    seen, stack = set(), [op]
    while stack:
        for name in stack.pop().connected.inputs:
            before = ops[name]
            if before.activation is not None:
                found[before.activation] = None
            elif name not in seen:
                seen.add(name)
                stack.append(before)
    return list(found)


def _supergroups(ops: Mapping[str, _Op], groups: Sequence[Sequence[str]],
                 graph: ConnectedGraph) -> List[Tuple[Sequence[str], List[_Op]]]:
    """The chains of ops that are a supergroup, each with its pattern."""
    longest = max(map(len, groups), default=1)
    chains = [[ops[connected.name] for connected in chain] for chain in graph.chains(longest)]
    return [(group, chain[-len(group):]) for chain in chains for group in groups
            if [op.type for op in chain[-len(group):]] == list(group)]
