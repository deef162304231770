"""Whether a tensor of one graph is the same tensor of another: a name alone does not tell.

Folding numbers the biases that it makes, `bias_value`, `bias_value_1` and on, in the order in which it comes to the
batch norms. So the same name may stand for another convolution in a graph that somebody else has folded. What does not
depend on such names is where a tensor stands:

- a bias, and the BiasAdd that adds it, belong to the convolution before;
- every other op has the name, the type and the inputs that the checkpoint gave it;
- a weight belongs to the op that multiplies by it.

Two ops of one type on the same inputs are told apart by the names that the checkpoint gave them, and by nothing else.
Values do not count here, and neither does the size of the images: encodings are loaded onto a network that was trained
on, or that takes larger ones.
"""

from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.freezing import dropouts
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.records import GENERATED

_KINDS = {"FusedBatchNormV2": "FusedBatchNorm", "FusedBatchNormV3": "FusedBatchNorm", "AddV2": "Add",
          "BatchMatMulV2": "BatchMatMul", **dict.fromkeys(("Merge", "RefMerge", "Switch", "RefSwitch"), "Identity")}
_BRANCHES = ("Merge", "RefMerge")
# What hands its first input on, as far as it matters which op a tensor comes from: folding takes some of these away and
# adds others, and freezing decides the branches of a training phase.
_PASSING = {"Identity", "ReadVariableOp", "Enter", "BiasAdd", "FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3",
            "Switch", "RefSwitch", *_BRANCHES}
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_SHAPES = "_output_shapes"
PARAM_OF = "param"


class Place(NamedTuple):
    """Where a tensor stands in its graph.

    Attributes:
        kind: Type of the op that gives it; `param` for a weight or a bias.
        ops: Names of the ops that it is made of, or, of a param, that take it; of a BiasAdd, those before it.
        variables: Names of the variables that it is made of.
        constants: Names of the constants that it is made of.
        several: Whether one of several branches gives it.
        shape: Its sides, -1 for one that is not known; None where nothing is known.
    """

    kind: str
    ops: FrozenSet[str]
    variables: FrozenSet[str]
    constants: FrozenSet[str]
    several: bool
    shape: Optional[Tuple[int, ...]]

    def __str__(self) -> str:
        made_of = sorted(self.ops) or sorted(self.variables | self.constants)
        others = f" and {len(made_of) - 2} more" if len(made_of) > 2 else ""
        names = ", ".join(map(repr, made_of[:2])) + others if made_of else "nothing"
        text = {PARAM_OF: f"a param of {names}", "BiasAdd": f"the BiasAdd behind {names}"}
        shape = "" if self.shape is None else f", shape [{', '.join('?' if s < 0 else str(s) for s in self.shape)}]"
        return text.get(self.kind, f"{self.kind} of {names}") + shape


def same(ours: Place, theirs: Place) -> bool:
    """Whether two tensors can be the same one, `ours` in a frozen graph, where variables are constants."""
    if ours.kind != theirs.kind or not _same_shape(ours, theirs):
        return False
    if ours.kind == PARAM_OF:
        # One of the graphs may hold more than the network: the ops that train it, say.
        return bool(ours.ops & theirs.ops) or not (ours.ops and theirs.ops)
    fixed = ours.variables | ours.constants
    # Weights that are computed in one graph may be stored in the other.
    return ours.ops <= theirs.ops | theirs.variables | theirs.constants \
        and (theirs.several or (theirs.ops <= ours.ops | fixed and theirs.variables <= fixed))


def _same_shape(ours: Place, theirs: Place) -> bool:
    if ours.shape is None or theirs.shape is None:
        return True
    if len(ours.shape) != len(theirs.shape):
        return False
    sides = list(zip(ours.shape, theirs.shape))
    compared = sides if ours.kind == PARAM_OF else sides[-1:]
    return all(a == b or min(a, b) < 0 for a, b in compared)


def with_shapes(graph: tf.GraphDef) -> tf.GraphDef:
    """The same graph with the shapes that TensorFlow infers, as a `.meta` has them."""
    with tf.Graph().as_default() as scope:
        tf.import_graph_def(graph, name="")
    return scope.as_graph_def(add_shapes=True)


def without_dropouts(graph: tf.GraphDef, tensors: Iterable[str]) -> tf.GraphDef:
    """The same graph with the dropouts before some tensors brought to inference, as the network here has them."""
    nodes = graph_nodes.by_name(graph)
    if any(graph_nodes.op_of(reference) not in nodes for node in graph.node for reference in node.input):
        # A damaged one, whose tensors are found to be others.
        return graph
    ops = dict.fromkeys(map(graph_nodes.op_of, tensors))
    return dropouts.resolve(graph, [op for op in ops if op in nodes])


class Tensors:
    """The tensors of a graph, frozen or with its variables; shapes count as far as the graph tells them."""

    def __init__(self, graph: tf.GraphDef) -> None:
        self._nodes = graph_nodes.by_name(graph)
        self._uses = graph_nodes.uses(graph.node)
        self._adds: Dict[str, List[tf.NodeDef]] = {}
        for node in graph.node:
            op = self._before(node) if node.op == "BiasAdd" else None
            if op is not None:
                self._adds.setdefault(op, []).append(node)

    def __contains__(self, tensor: str) -> bool:
        name, _, index = tensor.partition(":")
        return name in self._nodes and index in ("", "0")

    def place(self, tensor: str, param: bool) -> Place:
        """Where a tensor of the graph stands, as a param or as an activation."""
        node = self._nodes[graph_nodes.op_of(tensor)]
        if param:
            return Place(PARAM_OF, self._readers(tensor), frozenset(), frozenset(), False, _shape(node))
        found: Dict[str, str] = {}
        several = node.op in _BRANCHES
        # Of a bias only its number is known, and that it is one says the BiasAdd.
        inputs = graph_nodes.data_inputs(node)
        for reference in inputs[:1] if node.op == "BiasAdd" else inputs:
            sources, branched = self._sources(reference)
            several = several or branched
            found.update((source.name, source.op) for source in sources)
        return Place(_KINDS.get(node.op, node.op), frozenset(n for n, op in found.items() if not _is_fixed(op)),
                     frozenset(n for n, op in found.items() if op in _VARIABLES and not GENERATED.match(n)),
                     frozenset(n for n, op in found.items() if op == "Const" and not GENERATED.match(n)),
                     several, _shape(node))

    def biased(self, tensor: str, param: bool) -> Optional[str]:
        """The op whose output gets a bias, where a tensor is that bias (`param`) or the output of its BiasAdd."""
        node: Optional[tf.NodeDef] = self._nodes[graph_nodes.op_of(tensor)]
        if param:
            adding = [use.node for use in self._uses.get(graph_nodes.tensor_of(tensor), ())
                      if use.node.op == "BiasAdd" and use.position == 1]
            node = adding[0] if len(adding) == 1 else None
        return self._before(node) if node is not None and node.op == "BiasAdd" else None

    def bias_of(self, op: str, param: bool) -> Optional[str]:
        """The bias that the output of an op gets (`param`), or the output of the BiasAdd; None where there is not one.

        It is the other way round from `biased`.
        """
        adds = self._adds.get(op, [])
        if len(adds) != 1:
            return None
        return graph_nodes.tensor_of(adds[0].input[1] if param else adds[0].name)

    def _before(self, bias_add: tf.NodeDef) -> Optional[str]:
        sources, _ = self._sources(bias_add.input[0])
        return str(sources[0].name) if len(sources) == 1 else None

    def _readers(self, tensor: str) -> FrozenSet[str]:
        """The ops that take a param; for a BiasAdd, the op before it."""
        found: Set[str] = set()
        for use in self._uses.get(graph_nodes.tensor_of(tensor), ()):
            if use.node.op == "BiasAdd":
                found.update(source.name for source in self._sources(use.node.input[0])[0])
            else:
                found.add(use.node.name)
        return frozenset(found)

    def _sources(self, reference: str) -> Tuple[Sequence[tf.NodeDef], bool]:
        """The ops that a tensor comes from, through those that hand it on, and whether there were branches."""
        found: List[tf.NodeDef] = []
        several, seen, waiting = False, set(), [graph_nodes.op_of(reference)]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._nodes:
                continue
            seen.add(name)
            node = self._nodes[name]
            inputs = graph_nodes.data_inputs(node)
            if node.op in _PASSING and inputs:
                several |= node.op in _BRANCHES
                waiting += [graph_nodes.op_of(item) for item in (inputs if node.op in _BRANCHES else inputs[:1])]
            else:
                found.append(node)
        return found, several



def _is_fixed(op: str) -> bool:
    return op == "Const" or op in _VARIABLES


def _shape(node: tf.NodeDef) -> Optional[Tuple[int, ...]]:
    """The shape of an op's first output, as far as the graph tells it."""
    # To ask a node for an attribute that it does not have would give it one.
    shapes = node.attr[_SHAPES].list.shape if _SHAPES in node.attr else []
    if not shapes or shapes[0].unknown_rank:
        return None
    return tuple(int(side.size) for side in shapes[0].dim)
