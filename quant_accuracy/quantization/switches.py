"""The graph that simulates quantization with a switch at every quantizer, so that one session runs any set of them."""

from dataclasses import replace
from typing import Collection, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.records import PARAM, Encodings, Quantization, Quantizer

SETTING = "quant_accuracy/switches"
_EACH = "quant_accuracy/switch"


class _Switch(NamedTuple):
    """A quantizer and the tensor that says whether it is on."""

    quantizer: Quantizer
    on: str


def all_but(quantization: Quantization, off: Collection[str]) -> Mapping[str, np.ndarray]:
    """What to feed the graph so that the enabled quantizers are on, but for those on the tensors of `off`.

    Raises:
        GraphError: There is no enabled quantizer on one of the tensors.
    """
    _require(quantization, off)
    return {SETTING + ":0": np.array([quantizer.tensor not in off for quantizer in quantization.enabled()])}


def without(quantization: Quantization, off: Collection[str]) -> Quantization:
    """The quantization with the quantizers on the tensors of `off` disabled, for a graph of its own.

    Raises:
        GraphError: There is no enabled quantizer on one of the tensors.
    """
    _require(quantization, off)
    return replace(quantization, quantizers=[replace(quantizer, enabled=quantizer.enabled and
                                                     quantizer.tensor not in off)
                                             for quantizer in quantization.quantizers])


def _require(quantization: Quantization, off: Collection[str]) -> None:
    unknown = sorted(set(off) - {quantizer.tensor for quantizer in quantization.enabled()})
    if unknown:
        raise GraphError(f"{unknown[0]} has no enabled quantizer that could be switched off; name another tensor")


def insert_switches(graph: tf.GraphDef, quantization: Quantization) -> tf.GraphDef:
    """Put every enabled quantizer behind a switch of its own.

    With all of them on the result computes what `simulate` makes of the graph, with all of them off what the graph
    itself does. Where a quantizer is off its ops do not run. The switches are fed as one vector, see `all_but`.

    Args:
        graph: The frozen float graph, batch norms folded.
        quantization: The placed quantizers and their encodings.

    Raises:
        GraphError: A weight or a tensor is missing.
    """
    placed = quantization.enabled()
    switches = {q.tensor: _Switch(q, f"{_EACH}:{index}" if index else _EACH) for index, q in enumerate(placed)}
    graph = simulate.own_weights(graph, quantization)
    weights = graph_nodes.by_name(simulate.quantize_weights(graph, quantization))
    nodes = graph_nodes.by_name(graph)
    params = {graph_nodes.constant_node(nodes, tensor).name: switch for tensor, switch in switches.items()
              if switch.quantizer.kind == PARAM}
    activations = {tensor: switch for tensor, switch in switches.items() if switch.quantizer.kind != PARAM}
    result = tf.GraphDef(versions=graph.versions)
    result.node.extend(_setting(len(placed)))
    inserted = 0
    for node in graph.node:
        if node.name in params:
            switch = params[node.name]
            result.node.extend(_switched_weight(node, weights[node.name], switch.on))
            inserted += 1
            continue
        copy = result.node.add()
        copy.CopyFrom(node)
        for position, reference in enumerate(copy.input):
            if not reference.startswith("^") and graph_nodes.tensor_of(reference) in activations:
                copy.input[position] = activations[graph_nodes.tensor_of(reference)].quantizer.name
        if node.name + ":0" in activations:
            switch = activations[node.name + ":0"]
            result.node.extend(_switched_activation(switch, quantization.encodings))
            inserted += 1
    if inserted != len(placed):
        raise GraphError(f"{inserted} of {len(placed)} quantizers found their tensor; "
                         "place the quantizers on this very graph")
    return result


def _setting(count: int) -> List[tf.NodeDef]:
    vector = tf.NodeDef(name=SETTING, op="Placeholder")
    vector.attr["dtype"].type = tf.bool.as_datatype_enum
    vector.attr["shape"].shape.CopyFrom(tf.TensorShape([count]).as_proto())
    each = tf.NodeDef(name=_EACH, op="Unpack", input=[SETTING])
    each.attr["T"].type = tf.bool.as_datatype_enum
    each.attr["num"].i = count
    each.attr["axis"].i = 0
    return [vector, each]


def _switched_weight(float_values: tf.NodeDef, quantized: tf.NodeDef, on: str) -> List[tf.NodeDef]:
    """Both values of a weight, and under the name of the weight the one that the switch chooses."""
    name = float_values.name
    ends: Dict[str, tf.NodeDef] = {"float": tf.NodeDef(), "quantized": tf.NodeDef()}
    for end, values in zip(ends, (float_values, quantized)):
        ends[end].CopyFrom(values)
        ends[end].name = f"{name}/{end}"
    ways = [graph_nodes.float_node(f"{node.name}_switch", "Switch", [node.name, on]) for node in ends.values()]
    return [*ends.values(), *ways, _merge(name, [ways[0].name, f"{ways[1].name}:1"])]


def _switched_activation(switch: _Switch, encodings: Encodings) -> List[tf.NodeDef]:
    """The way through a quantizer and the way around it, and under the name of the quantizer what comes out."""
    quantizer = switch.quantizer
    fake_quant = simulate.fake_quant(quantizer, encodings[quantizer.tensor][0])
    way = graph_nodes.float_node(f"{quantizer.name}/switch", "Switch",
                                 [graph_nodes.op_of(quantizer.tensor), switch.on])
    fake_quant.name = f"{quantizer.name}/on"
    fake_quant.input[0] = f"{way.name}:1"
    return [way, fake_quant, _merge(quantizer.name, [way.name, fake_quant.name])]


def _merge(name: str, ways: Sequence[str]) -> tf.NodeDef:
    node = graph_nodes.float_node(name, "Merge", ways)
    node.attr["N"].i = len(ways)
    return node
