"""OpenVINO's integer kernels, op by op: what a quantizer gives is an output, and an op that is fed quantizes again.

A kernel in integers needs a fake-quant op before it, so each op that is fed has one of its own: what lies on its grid
stays where it is.
"""

import contextlib
from typing import Dict, Iterator, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import OPENVINO_INT8
from quant_accuracy.device.depth import simulated_ops
from quant_accuracy.device.depth.contract import ListenedModel, Place, Values
from quant_accuracy.device.depth.counterparts import Counterpart
from quant_accuracy.device.depth.records import INPUT
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.records import ACTIVATION, Quantization
from quant_accuracy.runtimes.contract import Run
from quant_accuracy.runtimes.openvino_runtime import OpenVino

_LABEL = f"the {OPENVINO_INT8} network, op by op"
_AGAIN = "quant_accuracy/again"
_FAKE_QUANT = "FakeQuantWithMinMaxArgs"
_SAME = 1e-3
NO_PARAMETER = "grids and weights are those of the simulation: it computes between them in another way"


class OpenVinoOps(ListenedModel):
    """A graph with ranges that OpenVINO runs in integers, ready to be listened to.

    Args:
        graph: The graph, with a fake-quant op behind every quantized tensor, weights included.
        names: Its ops.
        quantization: Quantizers and encodings of the simulation.
        stack: Closes what is opened.

    Raises:
        UnsupportedError: OpenVINO does not take it.
    """

    left_out: Sequence[str] = ()

    def __init__(self, graph: tf.GraphDef, names: GraphNames, quantization: Quantization,
                 stack: contextlib.ExitStack) -> None:
        self._quantization = quantization
        self._starts = [f"{name}:0" for name in names.starting_ops]
        self._nodes = graph_nodes.by_name(graph)
        known = {f"{q.name}:0": q for q in quantization.enabled() if q.kind == ACTIVATION and q.name in self._nodes
                 and q.tensor not in self._starts}
        ends = [graph_nodes.op_of(tensor) for tensor in simulate.network_outputs(names.output_ops, quantization)]
        order = [f"{node.name}:0" for node in graph_nodes.between(graph, names.starting_ops, ends)]
        self._tensors = [tensor for tensor in order if tensor in known]
        inputs = [Place(0, INPUT, tensor, Counterpart(tensor, tensor, None), 1.0) for tensor in self._starts]
        self.places = [*inputs, *(Place(place, self._nodes[graph_nodes.op_of(known[tensor].tensor)].op, tensor,
                                        Counterpart(known[tensor].tensor, tensor,
                                                    quantization.encodings[known[tensor].tensor][0]),
                                        quantization.encodings[known[tensor].tensor][0].scale)
                                  for place, tensor in enumerate(self._tensors, start=1))]
        ops = [graph_nodes.op_of(tensor) for tensor in self._tensors]
        self._image = f"{names.image_input}:0"
        self._before = stack.enter_context(sessions.open_session(
            graph_nodes.subgraph(graph, list(names.starting_ops)), "the float graph's preprocessing"))
        # Both begin at placeholders: preprocessing is TensorFlow's.
        started, self._at_start = simulated_ops.cut(graph_nodes.subgraph(graph, ops), self._starts)
        apart, self._fed = simulated_ops.cut(graph_nodes.subgraph(graph, ops), [*self._starts, *self._tensors])
        self._whole = self._opened(started, ops, stack)
        self._alone = self._opened(_quantized_again(apart, self._fed, self._nodes), ops, stack)

    def _opened(self, graph: tf.GraphDef, ops: Sequence[str], stack: contextlib.ExitStack) -> Run:
        return stack.enter_context(OpenVino(integers=True).open(graph_nodes.subgraph(graph, ops), self._tensors,
                                                                _LABEL))

    def held(self, name: str, values: np.ndarray) -> np.ndarray:
        """As `ListenedModel.held`: grids are those of the simulation."""
        return values

    def inputs(self, image: np.ndarray) -> Values:
        """As `ListenedModel.inputs`."""
        return dict(zip(self._starts, self._before.run(self._starts, {self._image: image})))

    def whole(self, image: np.ndarray) -> Values:
        """As `ListenedModel.whole`."""
        taken = self.inputs(image)
        return dict(zip(self._tensors, self._whole({f"{name}:0": taken[tensor]
                                                    for tensor, name in self._at_start.items()})))

    def alone(self, image: np.ndarray, fed: Mapping[str, np.ndarray]) -> Values:
        """As `ListenedModel.alone`."""
        values = {**fed, **self.inputs(image)}
        return dict(zip(self._tensors, self._alone({f"{name}:0": values[tensor]
                                                    for tensor, name in self._fed.items()})))

    def explain(self, place: Place, simulation: Mapping[str, tf.NodeDef]) -> Tuple[str, ...]:
        """As `ListenedModel.explain`."""
        return tuple(self._of_weights(place, simulation)) or (NO_PARAMETER,)

    def _of_weights(self, place: Place, simulation: Mapping[str, tf.NodeDef]) -> Iterator[str]:
        """Whether the weights of an op stand on another grid than their encoding's."""
        encodings = {q.name: self._quantization.encodings[q.tensor][0] for q in self._quantization.enabled()}
        for node in simulated_ops.segment(simulation, place.counterpart.source):
            position = graph_nodes.LINEAR.get(node.op)
            name = "" if position is None else graph_nodes.op_of(self._nodes[node.name].input[position])
            if name in encodings and self._nodes[name].op == _FAKE_QUANT:
                now, before = self._nodes[name].attr, encodings[name]
                scale = (now["max"].f - now["min"].f) / (2 ** before.bitwidth - 1 - int(now["narrow_range"].b))
                if abs(scale / before.scale - 1) > _SAME:
                    yield (f"its weights stand on the grid {now['min'].f:.4g} .. {now['max'].f:.4g}, with steps "
                           f"{scale / before.scale:.3g} times those of their encoding")


def _quantized_again(graph: tf.GraphDef, placeholders: Mapping[str, str],
                     nodes: Mapping[str, tf.NodeDef]) -> tf.GraphDef:
    """The graph whose ops take what is fed through a fake-quant op, where one has given it."""
    again: Dict[str, tf.NodeDef] = {}
    for tensor, name in placeholders.items():
        given = nodes[graph_nodes.op_of(tensor)]
        if given.op == _FAKE_QUANT:
            copy = tf.NodeDef()
            copy.CopyFrom(given)
            copy.name, copy.input[0] = f"{_AGAIN}/{len(again)}", name
            again[name] = copy
    result = tf.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        changed = result.node.add()
        changed.CopyFrom(node)
        for index, reference in enumerate(node.input):
            if reference in again:
                changed.input[index] = again[reference].name
    result.node.extend(again.values())
    return result
