"""Where a network begins and ends: whether the ops that a model card names take in all weights, and which ones would.

Weights before the starting ops, or behind the output ops, would get no quantizer, and no check would miss them. What is
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
    """Check that the named ops exist, and that all weights lie between the starting ops and the output ops.

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
    starts = names.starting_ops
    for start in starts:
        if start not in nodes:
            raise GraphError(f"the graph has no op {start!r}; {network.start_remedy(starts, start)}")
    for output in names.output_ops:
        if output not in nodes:
            raise GraphError(f"the graph has no op {output!r}; {network.outputs_remedy(output)}")
    for start in starts:
        if start != names.image_input and start not in network.fed:
            raise GraphError(
                f"the starting op {start!r} is not on the way from the input {names.image_input!r} to detections; "
                f"{network.start_remedy(starts, start) if network.weighted else _of_placeholders(nodes, names)}")
    _check_starts(network, starts, nodes)
    needed = graph_nodes.needed(nodes, names.output_ops)
    left = [item for item in network.weighted if item.op not in needed]
    if left:
        raise GraphError(f"the output ops {', '.join(names.output_ops)} leave weights behind them or beside them: "
                         f"those of {_listed(left)} would get no quantizer; "
                         f"{network.outputs_remedy(names.output_ops[0])}")
    for start in starts:
        if start not in network.outermost(starts):
            raise GraphError(f"the starting op {start!r} is behind another, which takes in all that it does; "
                             f"take {start!r} out of starting_op in the model card")
        if start not in needed:
            raise GraphError(f"the starting op {start!r} leads to none of the output ops "
                             f"{', '.join(names.output_ops)}; {network.start_remedy(starts, start)}")


def _check_starts(network: "_Network", starts: Sequence[str], nodes: Mapping[str, tf.NodeDef]) -> None:
    before = network.left_by(starts)
    if before:
        late = [start for start in starts if graph_nodes.needed(nodes, [start]) & {item.op for item in before}]
        wrong = starts if len(starts) == 1 else late
        subject = f"starting op {wrong[0]!r} leaves weights before it or beside it" if len(wrong) == 1 else \
            f"starting ops {', '.join(map(repr, wrong or starts))} leave weights before them or beside them"
        raise GraphError(f"the {subject}: those of {_listed(before)} would get no quantizer; "
                         f"{network.start_remedy(starts, *wrong)}")
    for start in starts:
        loops = network.loops_behind(start)
        if loops:
            raise GraphError(f"the starting op {start!r} takes in the loop of the preprocessor that resizes images "
                             f"({min(loops)}), in which no quantizer can stand; {network.start_remedy(starts, start)}")


def check_inputs(graph: tf.GraphDef, names: GraphNames) -> None:
    """Check that images are all that a detector has to be fed.

    Args:
        graph: A frozen graph: what chose between training and inference is no input any more.
        names: The ops of the model card.

    Raises:
        GraphError: There is another placeholder without a value of its own.
    """
    nodes = graph_nodes.by_name(graph)
    needed = graph_nodes.needed(nodes, [*names.output_ops, *names.detections], stop=names.image_input)
    more = sorted(name for name in needed - {names.image_input} if nodes[name].op == "Placeholder")
    if more:
        raise GraphError(f"besides images ({names.image_input}) the graph has to be fed "
                         f"{', '.join(repr(name) for name in more)}, and a detector is given images alone; export the "
                         f"checkpoint with {'a constant' if len(more) == 1 else 'constants'} or "
                         "tf.placeholder_with_default there")


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
        self._loops = self._before_weights()

    def after(self, *starts: str) -> Set[str]:
        """The ops that depend on one of some ops."""
        seen: Set[str] = set()
        waiting = list(starts)
        while waiting:
            for node in self._consumers.get(waiting.pop(), ()):
                if node.name not in seen:
                    seen.add(node.name)
                    waiting.append(node.name)
        return seen

    def _before_weights(self) -> Set[str]:
        """The ops of loops that the first ops with weights need: those that no other op with weights feeds."""
        later = self.after(*(item.op for item in self.weighted))
        first = [item.op for item in self.weighted if item.op not in later]
        return {name for name in graph_nodes.needed(self._nodes, first) if self._nodes[name].op.startswith(_OF_LOOPS)}

    def loops_behind(self, start: str) -> Set[str]:
        """The ops of the preprocessor's loops that an op takes in, itself included."""
        return ({start} | self.after(start)) & self._loops

    def left_by(self, starts: Sequence[str]) -> List[_Weighted]:
        """The ops with weights that are not behind any of the starting ops."""
        behind = self.after(*starts) - set(starts)
        return [item for item in self.weighted if item.op not in behind]

    def _weighted(self, node: tf.NodeDef) -> Optional[_Weighted]:
        if node.op not in graph_nodes.LINEAR:
            return None
        inputs = graph_nodes.data_inputs(node)
        weights = [source for source in inputs if graph_nodes.op_of(source) not in self.fed and self._stored(source)]
        activations = [source for source in inputs if graph_nodes.op_of(source) in self.fed
                       or graph_nodes.op_of(source) == self._image_input]
        return _Weighted(node.name, activations[0], weights[0]) if weights and activations else None

    def _stored(self, reference: str) -> bool:
        """Whether a tensor holds or is computed from what the checkpoint stores; constants are part of the program."""
        needed = graph_nodes.needed(self._nodes, [graph_nodes.op_of(reference)])
        return any(self._nodes[name].op in VARIABLES for name in needed)

    def outermost(self, starts: Sequence[str]) -> List[str]:
        """The starting ops that are not behind others."""
        behind = self.after(*starts)
        return [start for start in starts if start not in behind]

    def start_remedy(self, starts: Sequence[str], *wrong: str) -> str:
        """What to write instead of the starting ops of a card, of which some are wrong."""
        if not self.weighted:
            return f"correct starting_op in the model card{graph_nodes.near(self._nodes, wrong[0])}"
        # Of several, those that are right stay; a single one is replaced by one wherever that is possible.
        kept = [start for start in starts if start not in wrong and not self.loops_behind(start)
                and (start in self.fed or start == self._image_input)]
        left = self.left_by(kept)
        if kept and not left:
            return f"take {', '.join(map(repr, wrong))} out of starting_op in the model card"
        named = self.outermost([*kept, *self._feeding(left)])
        if len(named) == 1:
            return f"set starting_op: {named[0]} in the model card, the op that feeds the first weights ({left[0].op})"
        return f"set starting_op: [{', '.join(named)}] in the model card, the ops that feed the first weights"

    def _feeding(self, weighted: Sequence[_Weighted]) -> List[str]:
        """As few ops as can be behind which all of these lie, and no loop; one, if that can be."""
        found: List[str] = []
        while weighted:
            best = max(self._before(weighted[0]), key=lambda name: len(weighted) - len(self._outside(name, weighted)))
            found.append(best)
            weighted = self._outside(best, weighted)
        return found

    def _outside(self, name: str, weighted: Sequence[_Weighted]) -> List[_Weighted]:
        behind = self.after(name)
        return [item for item in weighted if item.op not in behind]

    def _before(self, item: _Weighted) -> List[str]:
        """The ops on the way from the images to an op with weights, the nearest first, as far as no loop is behind."""
        way = [graph_nodes.op_of(item.activation)]
        while way[-1] != self._image_input and not self.loops_behind(way[-1]):
            following = [name for name in map(graph_nodes.op_of, self._nodes[way[-1]].input)
                         if (name in self.fed or name == self._image_input) and name not in way]
            if not following:
                break
            way.append(following[0])
        clean = [name for name in way if not self.loops_behind(name)]
        return [name for name in clean if self._nodes[name].op not in _OF_CONVOLUTION] or way[:1]

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
