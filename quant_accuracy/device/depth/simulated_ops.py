"""The simulation as a whole, and with each op fed from outside: what consumed a tensor takes a placeholder instead."""

import contextlib
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions

_FED = "quant_accuracy/fed"


def cut(graph: tf.GraphDef, tensors: Sequence[str]) -> Tuple[tf.GraphDef, Dict[str, str]]:
    """The graph whose ops take some tensors from placeholders; what gives these tensors is still there.

    Args:
        graph: The simulation.
        tensors: Float tensors of it.

    Returns:
        The graph, and the placeholder of each tensor that is consumed.
    """
    wanted = set(tensors)
    placeholders: Dict[str, str] = {}
    result = tf.GraphDef(versions=graph.versions, library=graph.library)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        for index, reference in enumerate(node.input):
            tensor = "" if reference.startswith("^") else graph_nodes.tensor_of(reference)
            if tensor in wanted:
                name = placeholders.setdefault(tensor, f"{_FED}/{len(placeholders)}")
                copy.input[index] = name
    for name in placeholders.values():
        result.node.add(name=name, op="Placeholder").attr["dtype"].type = tf.float32.as_datatype_enum
    return result, placeholders


class SimulatedOps:
    """Runs the simulation, as a whole and op by op.

    Attributes:
        nodes: Its ops, each fed from outside, by name.
        placeholders: What stands for each tensor that is fed.
    """

    def __init__(self, graph: tf.GraphDef, image_input: str, tensors: Sequence[str],
                 stack: contextlib.ExitStack) -> None:
        self._image, self._tensors = f"{image_input}:0", list(dict.fromkeys(tensors))
        network = graph_nodes.subgraph(graph, [graph_nodes.op_of(tensor) for tensor in self._tensors])
        apart, self.placeholders = cut(network, self._tensors)
        self.nodes = graph_nodes.by_name(apart)
        self._whole = stack.enter_context(sessions.open_session(network, "the simulation"))
        self._alone = stack.enter_context(sessions.open_session(apart, "the simulation, op by op"))

    def whole(self, image: np.ndarray) -> Dict[str, np.ndarray]:
        """Every tensor, of one image: uint8 [1, height, width, 3]."""
        return dict(zip(self._tensors, self._whole.run(self._tensors, {self._image: image})))

    def alone(self, image: np.ndarray, fed: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """What the ops make of these tensors."""
        feed = {f"{self.placeholders[tensor]}:0": value for tensor, value in fed.items() if tensor in self.placeholders}
        return dict(zip(self._tensors, self._alone.run(self._tensors, {**feed, self._image: image})))

    def layer(self, tensor: str, given: str) -> str:
        """The op that has the weights behind a tensor; where there is none, or several, the one that gives it."""
        linear = [node.name for node in segment(self.nodes, tensor) if node.op in graph_nodes.LINEAR]
        return str(linear[0]) if len(linear) == 1 else given


@contextlib.contextmanager
def open_ops(graph: tf.GraphDef, image_input: str, tensors: Sequence[str]) -> Iterator[SimulatedOps]:
    """The simulation, ready to run; its sessions end with the block.

    Args:
        graph: The simulation.
        image_input: The op that images are fed to.
        tensors: The tensors between its ops, all of which are wanted.

    Raises:
        GraphError: One is missing.
    """
    with contextlib.ExitStack() as stack:
        yield SimulatedOps(graph, image_input, tensors, stack)


def segment(nodes: Mapping[str, tf.NodeDef], tensor: str) -> List[tf.NodeDef]:
    """The ops between the placeholders of a graph that is cut and one of its tensors."""
    return [nodes[name] for name in sorted(graph_nodes.needed(nodes, [graph_nodes.op_of(tensor)]))]
