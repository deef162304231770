"""Branches that are decided before a graph runs: `cond` with a known predicate becomes the branch that it takes.

A `cond` of TensorFlow 1 switches what enters its branches (`Switch`: one of two outputs is dead) and merges what leaves
them (`Merge`: the input that is not dead). Where the predicate is known the live output of a Switch is its input, and a
Merge is its live input: it becomes an Identity of the same name, since tensors of it are named by users (and AIMET puts
quantizers on them: `dropout/cond/Merge`). It carries the attribute `_resolved`, for those who have to know.

Switch and Merge of a loop are no branches, and stay; a `cond` inside of a loop is resolved.
"""

from types import MappingProxyType
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing import predicates
from quant_accuracy.graph import control_flow, marks
from quant_accuracy.graph import nodes as graph_nodes

_MERGE = "Merge"
_SWITCHES, _MERGES = ("Switch", "RefSwitch"), (_MERGE, "RefMerge")
_NEXT_ITERATIONS = ("NextIteration", "RefNextIteration")
_OF_FLOW = (*_SWITCHES, *_MERGES, *_NEXT_ITERATIONS, "Enter", "RefEnter", "Exit", "RefExit", "LoopCond")
_VALUE_INDEX = "value_index"


def resolve(graph: tf.GraphDef, outputs: Sequence[str],
            assumed: Mapping[str, bool] = MappingProxyType({})) -> tf.GraphDef:
    """Replace each `cond` that some ops need and whose predicate is known by the branch that it takes.

    All ops stay in the graph, those that are not needed any more as well.

    Args:
        graph: A graph, frozen or not.
        outputs: Names of ops.
        assumed: Placeholders that have another value than nothing would give them.

    Raises:
        GraphError: An output op is in a branch that is not taken, or missing.
    """
    result = tf.GraphDef()
    result.CopyFrom(graph)
    nodes = graph_nodes.by_name(result)
    graph_nodes.require(nodes, outputs)
    before = graph_nodes.needed(nodes, outputs)
    now = _Round(nodes, outputs, assumed)
    inside = control_flow.inside({name: nodes[name] for name in before}) if now.decides else set()
    deciding = set(now.placeholders())
    while now.resolve(result):
        # More than once: a predicate may be what another cond gives.
        now = _Round(nodes, outputs, assumed)
        deciding |= set(now.placeholders())
    _drop_pivots(nodes, graph_nodes.needed(nodes, outputs))
    after = graph_nodes.needed(nodes, outputs)
    _settle_placeholders(nodes, after, deciding, assumed)
    _leave(nodes, after, before - after)
    inside &= after
    for name in inside - control_flow.inside({name: nodes[name] for name in after}) if inside else ():
        nodes[name].attr[marks.TAKEN].b = True
    return result


def placeholders(graph: tf.GraphDef, outputs: Sequence[str]) -> Dict[str, bool]:
    """The placeholders that decide a `cond` which some ops need, each with the value that it has when nothing feeds it.

    Raises:
        GraphError: An output op is missing.
    """
    nodes = graph_nodes.by_name(graph)
    graph_nodes.require(nodes, outputs)
    names = _Round(nodes, outputs, {}).placeholders()
    return {name: bool(known.value) for name, known in predicates.known(nodes, names).items() if name in names}


class _Round:
    """Every `cond` whose predicate is known now.

    Args:
        nodes: All ops of a graph by name; they are changed in place.
        outputs: The ops that are needed.
        assumed: As in `resolve`.
    """

    def __init__(self, nodes: Dict[str, tf.NodeDef], outputs: Sequence[str], assumed: Mapping[str, bool]) -> None:
        self._nodes, self._outputs = nodes, outputs
        self._inside = graph_nodes.needed(nodes, outputs)
        switches = {name: graph_nodes.op_of(graph_nodes.data_inputs(nodes[name])[1]) for name in self._inside
                    if nodes[name].op in _SWITCHES and len(graph_nodes.data_inputs(nodes[name])) == 2}
        known = predicates.known(nodes, switches.values(), assumed)
        self._deciding = {name: known[predicate] for name, predicate in switches.items()
                          if predicate in known and isinstance(known[predicate].value, np.bool_)}
        self._dead: Set[str] = self._find_dead()
        self._changed = False

    @property
    def decides(self) -> bool:
        """Whether there is any."""
        return bool(self._deciding)

    def placeholders(self) -> List[str]:
        """Those that decide."""
        return sorted({name for predicate in self._deciding.values() for name in predicate.placeholders})

    def resolve(self, graph: tf.GraphDef) -> bool:
        """Whether anything was changed."""
        for output in self._outputs:
            if output in self._dead:
                raise GraphError(f"the op {output!r} is in the branch for training, which inference does not take; "
                                 "name the op of the other branch, or the Merge behind both, in the model card")
        indices: Dict[str, str] = {}
        for name in sorted(self._inside - self._dead) if self._deciding else ():
            node = self._nodes[name]
            live = self._live_input(node)
            if live is not None:
                indices[name] = self._to_identity(node, live)
            self._set_inputs(node, [self._rewired(source) for source in node.input])
        self._add_indices(graph, indices)
        return self._changed

    def _find_dead(self) -> Set[str]:
        """The ops that give nothing, since they take what gives nothing."""
        consumers: Dict[str, List[str]] = {}
        for name in self._inside if self._deciding else ():
            for source in self._nodes[name].input:
                consumers.setdefault(graph_nodes.op_of(source), []).append(name)
        dead: Set[str] = set()
        waiting = list(self._deciding)
        while waiting:
            for name in consumers.get(waiting.pop(), ()):
                if name not in dead and self._dies(self._nodes[name], dead):
                    dead.add(name)
                    waiting.append(name)
        return dead

    def _dies(self, node: tf.NodeDef, dead: Set[str]) -> bool:
        if node.op not in _MERGES:
            return any(self._is_dead(source, dead) for source in node.input)
        # What comes back into a loop depends on what enters it.
        entering = [source for source in graph_nodes.data_inputs(node)
                    if self._nodes[graph_nodes.op_of(source)].op not in _NEXT_ITERATIONS]
        return bool(entering) and all(self._is_dead(source, dead) for source in entering)

    def _is_dead(self, source: str, dead: Set[str]) -> bool:
        name = graph_nodes.op_of(source)
        if name in dead:
            return True
        return name in self._deciding and not source.startswith("^") and _index(source) != self._taken(name)

    def _taken(self, switch: str) -> int:
        return int(self._deciding[switch].value)

    def _live_input(self, node: tf.NodeDef) -> Optional[str]:
        """The one input of a Merge that is not dead, where all others are."""
        sources = graph_nodes.data_inputs(node)
        if node.op not in _MERGES or any(self._nodes[graph_nodes.op_of(source)].op in _NEXT_ITERATIONS
                                         for source in sources):
            return None
        live = [source for source in sources if not self._is_dead(source, self._dead)]
        return live[0] if len(live) == 1 < len(sources) else None

    def _to_identity(self, merge: tf.NodeDef, live: str) -> str:
        """Make a Merge an Identity, and say which of its inputs was live."""
        sources = graph_nodes.data_inputs(merge)
        index = str(sources.index(live))
        names = {name for predicate in self._predicates_of(sources) for name in predicate.placeholders}
        merge.op = "Identity"
        for attribute in ("N", "_output_shapes"):
            merge.attr.pop(attribute, None)
        merge.attr[marks.RESOLVED].s = _MERGE.encode()
        merge.attr[marks.DECIDED_BY].s = " ".join(sorted(names)).encode("utf-8")
        self._set_inputs(merge, [live, *(source for source in merge.input if source.startswith("^"))])
        return index

    def _predicates_of(self, sources: Sequence[str]) -> Iterable[predicates.Known]:
        """The predicates for whose sake the dead ones of some tensors are dead: the nearest before them."""
        waiting = [graph_nodes.op_of(source) for source in sources if self._is_dead(source, self._dead)]
        seen: Set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in self._deciding and name not in self._dead:
                yield self._deciding[name]
            elif name not in seen:
                seen.add(name)
                waiting += [graph_nodes.op_of(source) for source in self._nodes[name].input
                            if self._is_dead(source, self._dead)]

    def _rewired(self, source: str) -> str:
        """What a live op takes instead of the output of a Switch that is decided."""
        control = "^" if source.startswith("^") else ""
        for _ in range(len(self._deciding) + 1):
            name = graph_nodes.op_of(source)
            if name not in self._deciding or (not control and _index(source) != self._taken(name)):
                return control + graph_nodes.op_of(source) if control else source
            source = graph_nodes.data_inputs(self._nodes[name])[0]
        raise GraphError(f"the op {name!r} takes what it gives, outside of a loop; copy the checkpoint again")

    def _set_inputs(self, node: tf.NodeDef, inputs: Sequence[str]) -> None:
        if list(node.input) != list(inputs):
            self._changed = True
            del node.input[:]
            node.input.extend(inputs)

    def _add_indices(self, graph: tf.GraphDef, indices: Mapping[str, str]) -> None:
        """The second output of a Merge says which input was live: a constant now."""
        for name in sorted(self._inside - self._dead) if indices else ():
            node = self._nodes[name]
            for position, source in enumerate(node.input):
                merge = graph_nodes.op_of(source)
                if merge in indices and not source.startswith("^") and _index(source) == 1:
                    constant = f"{merge}/{_VALUE_INDEX}"
                    if constant not in self._nodes:
                        graph.node.add().CopyFrom(graph_nodes.const_node(constant, np.int32(indices[merge])))
                        self._nodes[constant] = graph.node[-1]
                    node.input[position] = constant



def _index(reference: str) -> int:
    """Which output of its op a reference points at; -1 where it says no number."""
    number = reference.partition(":")[2] or "0"
    return int(number) if number.isdigit() else -1


def _drop_pivots(nodes: Mapping[str, tf.NodeDef], inside: Set[str]) -> None:
    """Let no op wait for a predicate that is always there, as the constants of a branch do (`cond/switch_f`)."""
    pivots = {graph_nodes.op_of(source) for name in inside for source in nodes[name].input if source.startswith("^")}
    pivots = {name for name in pivots if nodes[name].op == "Identity"}
    known = predicates.known(nodes, pivots)
    free = {name: not any(nodes[other].op in _OF_FLOW for other in graph_nodes.needed(nodes, [name]))
            for name in pivots if name in known}
    for name in inside:
        kept = [source for source in nodes[name].input
                if not (source.startswith("^") and free.get(graph_nodes.op_of(source), False))]
        if len(kept) != len(nodes[name].input):
            del nodes[name].input[:]
            nodes[name].input.extend(kept)


def _settle_placeholders(nodes: Mapping[str, tf.NodeDef], inside: Set[str], deciding: Set[str],
                         assumed: Mapping[str, bool]) -> None:
    """Make the placeholders of the learning phase that are needed still, by a Select, say, constants."""
    for name in inside:
        node = nodes[name]
        settled = node.op in predicates.PLACEHOLDERS and "dtype" in node.attr \
            and node.attr["dtype"].type == tf.bool.as_datatype_enum \
            and (predicates.is_scalar(node) or name in deciding)
        if settled or name in assumed:
            node.CopyFrom(graph_nodes.const_node(name, np.bool_(assumed.get(name, False))))


def _leave(nodes: Mapping[str, tf.NodeDef], inside: Set[str], gone: Set[str]) -> None:
    """Let no op want to be beside one that is not needed any more: a graph that is cut would keep that one."""
    for name in inside:
        if gone.intersection(graph_nodes.neighbours(nodes[name])):
            del nodes[name].attr["_class"]
