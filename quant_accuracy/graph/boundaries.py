"""Where a network begins and ends: whether the ops that a model card names take in all weights, and which ones would.

Weights before the starting op, or behind the output ops, would get no quantizer, and no check would miss them. What is
suggested is read from the graph: the op that feeds the first convolution, and the last ops before post-processing.
Variables need not have been turned into constants.
"""

from typing import AbstractSet, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph import nodes as graph_nodes

VARIABLES = ("VariableV2", "Variable", "VarHandleOp")
# What a loop over images keeps its tensors in.
_OF_LOOPS = "TensorArray"
_SHAPES = ("Shape", "ShapeN", "Size", "Rank")
# What stands between a convolution and the end of its network, and what joins several of them.
_GOING_ON = ("BiasAdd", "Add", "AddV2", "Mul", "Sub", "Reshape", "Squeeze", "Identity", "Transpose", "FusedBatchNorm",
             "FusedBatchNormV2", "FusedBatchNormV3", "BatchToSpaceND")
_JOINING = ("ConcatV2", "Concat", "Pack")
# What belongs to the convolution behind it: padding by hand, and the first half of a dilated one.
_OF_CONVOLUTION = ("Pad", "PadV2", "MirrorPad", "SpaceToBatchND")


class _Weighted(NamedTuple):
    """A convolution or dense op with weights of the checkpoint."""

    op: str
    activation: str
    weights: str


def check(graph: tf.GraphDef, names: GraphNames) -> None:
    """Check that the named ops exist, and that all weights lie between the starting op and the output ops.

    Args:
        graph: A graph, frozen or as a checkpoint holds it.
        names: The ops of the model card.

    Raises:
        GraphError: They do not; the message says what to write into the model card.
    """
    nodes = graph_nodes.by_name(graph)
    graph_nodes.require(nodes, names.detections)
    if names.image_input not in nodes:
        raise GraphError(f"the graph has no op {names.image_input!r}; {_of_placeholders(nodes, names)}")
    known = [name for name in names.output_ops if name in nodes]
    network = _Network(graph, names.image_input, [*names.detections, *known])
    start = names.starting_ops[0]
    if start not in nodes:
        raise GraphError(f"the graph has no op {start!r}; {network.start_remedy(start)}")
    for output in names.output_ops:
        if output not in nodes:
            raise GraphError(f"the graph has no op {output!r}; {network.outputs_remedy(output)}")
    if start != names.image_input and start not in network.fed:
        raise GraphError(f"the image input {names.image_input!r} does not lead to the starting op {start!r}; "
                         f"{_of_placeholders(nodes, names) if not network.weighted else network.start_remedy(start)}")
    behind = network.after(start)
    before = [item for item in network.weighted if item.op not in behind or item.op == start]
    if before:
        raise GraphError(f"the starting op {start!r} leaves weights before it or beside it: those of "
                         f"{_listed(before)} would get no quantizer; {network.start_remedy(start)}")
    needed = graph_nodes.needed(nodes, names.output_ops)
    preprocessed = network.before_weights()
    loops = [name for name in [start, *behind] if name in preprocessed and nodes[name].op.startswith(_OF_LOOPS)]
    if loops:
        raise GraphError(f"the starting op {start!r} takes in the loop of the preprocessor that resizes images "
                         f"({min(loops)}), in which no quantizer can stand; {network.start_remedy(start)}")
    left = [item for item in network.weighted if item.op not in needed]
    if left:
        raise GraphError(f"the output ops {', '.join(names.output_ops)} leave weights behind them or beside them: "
                         f"those of {_listed(left)} would get no quantizer; "
                         f"{network.outputs_remedy(names.output_ops[0])}")


def _of_placeholders(nodes: Mapping[str, tf.NodeDef], names: GraphNames) -> str:
    needed = graph_nodes.needed(nodes, names.detections)
    found = sorted(name for name in needed if nodes[name].op.startswith("Placeholder"))
    return f"set image_input in the model card to the placeholder that takes images ({', '.join(found) or 'none'})"


def _listed(items: Sequence[_Weighted]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(item.op for item in items[:3]) + more


class _Network:
    """What the detections need of a graph, as seen from the image input.

    Attributes:
        fed: The ops that depend on the images.
        weighted: Those of them that have weights, every op after those that it needs.
    """

    def __init__(self, graph: tf.GraphDef, image_input: str, ends: Sequence[str]) -> None:
        self._nodes = graph_nodes.by_name(graph)
        self._image_input = image_input
        needed = graph_nodes.needed(self._nodes, ends)
        self._consumers: Dict[str, List[tf.NodeDef]] = {}
        for node in graph.node:
            if node.name in needed:
                for name in dict.fromkeys(graph_nodes.op_of(source) for source in node.input):
                    self._consumers.setdefault(name, []).append(node)
        self.fed = self.after(image_input)
        order = graph_nodes.between(graph, [image_input], [end for end in ends if end in self.fed]) if self.fed else []
        found = (self._weighted(node) for node in order)
        self.weighted = [item for item in found if item is not None]

    def after(self, start: str) -> Set[str]:
        """The ops that depend on an op."""
        seen: Set[str] = set()
        waiting = [start]
        while waiting:
            for node in self._consumers.get(waiting.pop(), ()):
                if node.name not in seen:
                    seen.add(node.name)
                    waiting.append(node.name)
        return seen

    def before_weights(self) -> Set[str]:
        """The ops that the first op with weights needs."""
        return set(graph_nodes.needed(self._nodes, [self.weighted[0].op])) if self.weighted else set()

    def _weighted(self, node: tf.NodeDef) -> Optional[_Weighted]:
        if node.op not in graph_nodes.LINEAR:
            return None
        inputs = [source for source in node.input if not source.startswith("^")]
        weights = [source for source in inputs if graph_nodes.op_of(source) not in self.fed and self._stored(source)]
        activations = [source for source in inputs if graph_nodes.op_of(source) in self.fed
                       or graph_nodes.op_of(source) == self._image_input]
        return _Weighted(node.name, activations[0], weights[0]) if weights and activations else None

    def _stored(self, reference: str) -> bool:
        """Whether a tensor holds or is computed from what the checkpoint stores; constants are part of the program."""
        needed = graph_nodes.needed(self._nodes, [graph_nodes.op_of(reference)])
        return any(self._nodes[name].op in VARIABLES for name in needed)

    def start_remedy(self, wrong: str) -> str:
        """What to write instead of a starting op."""
        if not self.weighted:
            return f"correct starting_op in the model card{graph_nodes.near(self._nodes, wrong)}"
        first = self.weighted[0]
        name = graph_nodes.op_of(first.activation)
        while name != self._image_input:
            behind = self.after(name)
            if self._nodes[name].op not in _OF_CONVOLUTION and all(item.op in behind for item in self.weighted):
                break
            following = [graph_nodes.op_of(source) for source in self._nodes[name].input
                         if graph_nodes.op_of(source) in self.fed or graph_nodes.op_of(source) == self._image_input]
            name = following[0] if following else self._image_input
        return f"set starting_op: {name} in the model card, the op that feeds the first weights ({first.op})"

    def outputs_remedy(self, wrong: str) -> str:
        """What to write instead of the output ops."""
        ends = list(dict.fromkeys(self._end(item.op) for item in self._last()))
        if not ends:
            return f"correct output_ops in the model card{graph_nodes.near(self._nodes, wrong)}"
        return f"set output_ops: [{', '.join(ends)}] in the model card, the last ops before post-processing"

    def _last(self) -> List[_Weighted]:
        """The ops with weights behind which no others follow."""
        ops: AbstractSet[str] = {item.op for item in self.weighted}
        return [item for item in self.weighted if not self.after(item.op) & ops]

    def _end(self, name: str) -> str:
        """The op with which the way from a last convolution leaves the network."""
        seen: Set[str] = set()
        while name not in seen:
            seen.add(name)
            following = [node for node in self._consumers.get(name, ()) if node.op not in _SHAPES]
            if len(following) != 1 or following[0].op not in (*_GOING_ON, *_JOINING):
                break
            name = following[0].name
            if following[0].op in _JOINING:
                break
        return name
