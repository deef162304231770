"""The network: what lies between the starting ops and the output ops of a graph."""

from dataclasses import dataclass
from typing import Dict, List, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames, listed
from quant_accuracy.graph import nodes as graph_nodes


@dataclass(frozen=True)
class Network:
    """A network in a frozen graph.

    Attributes:
        graph: The graph, with what comes before and behind the network.
        starts: The starting ops; one may be given by its name alone.
        outputs: The output ops.
    """

    graph: tf.GraphDef
    starts: Sequence[str]
    outputs: Sequence[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", listed(self.starts))

    @classmethod
    def of(cls, graph: tf.GraphDef, names: GraphNames) -> "Network":
        """The network between the ops that a model card names."""
        return cls(graph, names.starting_ops, names.output_ops)

    def nodes(self) -> Dict[str, tf.NodeDef]:
        """All ops of the graph, by name."""
        return graph_nodes.by_name(self.graph)

    def ops(self) -> List[tf.NodeDef]:
        """The ops of the network without its starting ops, in the order in which it runs.

        Raises:
            GraphError: A named op is missing or not connected.
        """
        return graph_nodes.between(self.graph, self.starts, self.outputs)

    def inside(self) -> Set[str]:
        """The names of the ops of the network, its starting ops included; otherwise as `ops`."""
        return {*self.starts, *(node.name for node in self.ops())}
