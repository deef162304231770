"""Batch norms that were written in training mode, brought to inference: moving averages instead of the batch's own.

Where nothing but a Python value said that the graph is for training (`is_training=True` of slim, `training=True` of
Keras) there is no branch to choose. Which moving averages belong to a batch norm is read from the ops that update them,
as AIMET 1.19.1 does (`BNUtils`): `average -= (average - statistic) * (1 - momentum)`, an `AssignSub`. Where these ops
were left out, the variables `moving_mean` and `moving_variance` beside the batch norm's other parameters are taken.
"""

from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import boundaries
from quant_accuracy.graph import nodes as graph_nodes

_BATCH_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_UPDATING = ("AssignSub", "AssignSubVariableOp", "AssignAdd", "AssignAddVariableOp")
# What stands between a statistic and the op that updates its average.
_ON_THE_WAY = ("Identity", "Sub", "Mul", "Cast", "Squeeze", "Reshape", "Merge", "Switch", "Add", "AddV2", "RealDiv")
_PASSING = ("Identity", "Squeeze", "Reshape", "Cast", "StopGradient", "Switch", "RefSwitch", "Enter", "RefEnter",
            "RefIdentity")
_MEAN, _VARIANCE = "moving_mean", "moving_variance"
# Variables that slim keeps beside a moving mean whose bias is corrected.
_AUXILIARY = ("/biased", "/local_step")


class _Averages(NamedTuple):
    """The variables with the moving averages of a batch norm; None where none was found."""

    mean: Optional[str]
    variance: Optional[str]


def resolve(graph: tf.GraphDef, outputs: Sequence[str]) -> tf.GraphDef:
    """Let the batch norms that some ops need take their moving averages, and no op wait for an update of these.

    Args:
        graph: A graph whose variables are not constants yet.
        outputs: Names of ops.

    Raises:
        GraphError: The moving averages of a batch norm in training mode are not known; or an output op is missing.
    """
    if not any(node.op in _UPDATING or is_training(node) for node in graph.node):
        return graph
    result = tf.GraphDef()
    result.CopyFrom(graph)
    nodes = graph_nodes.by_name(result)
    graph_nodes.require(nodes, outputs)
    search = _Search(result, nodes)
    inside = graph_nodes.needed(nodes, outputs)
    for name in sorted(inside):
        if is_training(nodes[name]):
            _to_inference(result, nodes, nodes[name], search.averages_of(nodes[name]))
    for statistic, variable in search.of_moments(inside).items():
        _replace(result, nodes, statistic, variable, inside)
    for name in inside:
        _forget_updates(nodes, nodes[name])
    return result


def updates(graph: tf.GraphDef, outputs: Sequence[str]) -> List[str]:
    """The ops that update the moving averages of the fused batch norms that some ops need.

    Raises:
        GraphError: An output op is missing.
    """
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    graph_nodes.require(nodes, outputs)
    norms = [name for name in sorted(graph_nodes.needed(nodes, outputs)) if nodes[name].op in _BATCH_NORMS]
    found = (use.node for name in norms for output in (1, 2) for use in _behind_statistic(uses, f"{name}:{output}"))
    return list(dict.fromkeys(node.name for node in found if node.op in _UPDATING))


def _behind_statistic(uses: Mapping[str, List[graph_nodes.Use]], statistic: str) -> Iterator[graph_nodes.Use]:
    """Where a statistic goes, as long as it may be on its way into a moving average."""
    seen: Set[str] = set()
    waiting = [statistic]
    while waiting:
        for use in uses.get(waiting.pop(), ()):
            yield use
            if use.node.name not in seen and use.node.op in (*_ON_THE_WAY, *_UPDATING):
                seen.add(use.node.name)
                waiting.append(use.node.name + ":0")


def is_training(node: tf.NodeDef) -> bool:
    """Whether a node is a fused batch norm in training mode."""
    # True is TensorFlow's default, and an export may leave defaults out.
    return node.op in _BATCH_NORMS and ("is_training" not in node.attr or bool(node.attr["is_training"].b))



class _Search:
    """Which moving averages a statistic goes into."""

    def __init__(self, graph: tf.GraphDef, nodes: Mapping[str, tf.NodeDef]) -> None:
        self._nodes = nodes
        self._uses = graph_nodes.uses(graph.node)

    def averages_of(self, norm: tf.NodeDef) -> _Averages:
        """Those of a fused batch norm.

        Raises:
            GraphError: There are several.
        """
        found = [self._updated(norm, f"{norm.name}:{output}") for output in (1, 2)]
        beside = [self._beside(norm, name) for name in (_MEAN, _VARIANCE)]
        return _Averages(found[0] or beside[0], found[1] or beside[1])

    def _updated(self, norm: tf.NodeDef, statistic: str) -> Optional[str]:
        """The variable that a statistic updates."""
        found: Dict[str, None] = {}
        for use in _behind_statistic(self._uses, statistic):
            if use.node.op in _UPDATING and use.position == 1:
                variable = self._variable(use.node.input[0])
                if variable is not None:
                    found[variable] = None
        averages = [variable for variable in found if not variable.endswith(_AUXILIARY)]
        if len(averages) > 1:
            raise GraphError(f"the batch norm {norm.name!r} is in training mode, and its statistics go into more than "
                             f"one moving average ({', '.join(averages[:3])}); export the checkpoint for inference "
                             "(is_training=False)")
        return averages[0] if averages else None

    def _beside(self, norm: tf.NodeDef, name: str) -> Optional[str]:
        """The variable of that name beside the parameters of a batch norm, or in one of its scopes."""
        parameters = [self._variable(source) for source in graph_nodes.data_inputs(norm)[1:3]]
        scopes = [parameter.rpartition("/")[0] for parameter in parameters if parameter is not None]
        parts = norm.name.split("/")[:-1]
        scopes += ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        for scope in scopes:
            found = self._nodes.get(f"{scope}/{name}")
            if found is not None and found.op in boundaries.VARIABLES:
                return str(found.name)
        return None

    def _variable(self, reference: str) -> Optional[str]:
        node = _behind(self._nodes, reference, (*_PASSING, "ReadVariableOp"))
        return str(node.name) if node.op in boundaries.VARIABLES else None

    def of_moments(self, inside: Set[str]) -> Dict[str, str]:
        """The statistics of batch norms in plain ops, each with the variable of its moving average.

        `tf.nn.moments` is a Mean, and a Mean of the squared differences from it: what looks so and updates variables
        are the statistics of a batch norm.
        """
        updates = [update for update in self._updates() if graph_nodes.op_of(update[0]) in inside]
        found: Dict[str, str] = {}
        for statistic, variable in updates:
            variance = _behind(self._nodes, statistic, _PASSING)
            if variance.op != "Mean" or not graph_nodes.data_inputs(variance):
                continue
            squared = _behind(self._nodes, variance.input[0], _PASSING)
            if squared.op != "SquaredDifference":
                continue
            means = {_behind(self._nodes, source, _PASSING).name for source in graph_nodes.data_inputs(squared)}
            pairs = [(other, average) for other, average in updates
                     if _behind(self._nodes, other, _PASSING).op == "Mean"
                     and _behind(self._nodes, other, _PASSING).name in means]
            if pairs:
                found.update([(statistic, variable), *pairs])
        return found

    def _updates(self) -> Iterator[Sequence[str]]:
        """Each statistic that updates a moving average, and the variable of that."""
        for node in self._nodes.values():
            if node.op not in _UPDATING or len(graph_nodes.data_inputs(node)) < 2:
                continue
            variable = self._variable(node.input[0])
            scaled = self._nodes[graph_nodes.op_of(node.input[1])]
            for factor in graph_nodes.data_inputs(scaled) if scaled.op == "Mul" else ():
                difference = self._nodes[graph_nodes.op_of(factor)]
                for term in graph_nodes.data_inputs(difference) if difference.op == "Sub" else ():
                    if variable is not None and self._variable(term) is None:
                        yield graph_nodes.tensor_of(term), variable


def _behind(nodes: Mapping[str, tf.NodeDef], reference: str, passing: Sequence[str]) -> tf.NodeDef:
    node = nodes[graph_nodes.op_of(reference)]
    for _ in nodes:
        # Not without end: ops of a damaged graph may go in a circle.
        if node.op not in passing or not graph_nodes.data_inputs(node):
            break
        node = nodes[graph_nodes.op_of(node.input[0])]
    return node


def _to_inference(graph: tf.GraphDef, nodes: Dict[str, tf.NodeDef], norm: tf.NodeDef, averages: _Averages) -> None:
    missing = [name for name, variable in zip((_MEAN, _VARIANCE), averages) if variable is None]
    if missing or len(graph_nodes.data_inputs(norm)) != 5:
        raise GraphError(f"the batch norm {norm.name!r} is in training mode, and nothing in the graph says which "
                         f"variable is its {' and its '.join(missing) or _MEAN}; export the checkpoint for inference "
                         "(is_training=False)")
    norm.attr["is_training"].b = False
    for position, variable in ((3, averages.mean), (4, averages.variance)):
        norm.input[position] = _reader(graph, nodes, str(variable))


def _reader(graph: tf.GraphDef, nodes: Dict[str, tf.NodeDef], variable: str) -> str:
    """The op that reads a variable, made where there is none that waits for nothing."""
    node = nodes[variable]
    resource = node.op == "VarHandleOp"
    name = f"{variable}/Read/ReadVariableOp" if resource else f"{variable}/read"
    op, dtype = ("ReadVariableOp", "dtype") if resource else ("Identity", "T")
    while name in nodes and not (nodes[name].op == op and list(nodes[name].input) == [variable]):
        name += "_1"
    if name not in nodes:
        reader = graph.node.add(name=name, op=op, input=[variable])
        reader.attr[dtype].CopyFrom(node.attr["dtype"])
        nodes[name] = reader
    return name


def _replace(graph: tf.GraphDef, nodes: Dict[str, tf.NodeDef], statistic: str, variable: str,
             inside: Set[str]) -> None:
    """Let the ops that take a statistic of the batch take its moving average."""
    reader = _reader(graph, nodes, variable)
    for name in inside:
        for position, source in enumerate(nodes[name].input):
            if not source.startswith("^") and graph_nodes.tensor_of(source) == statistic:
                nodes[name].input[position] = reader


def _forget_updates(nodes: Mapping[str, tf.NodeDef], node: tf.NodeDef) -> None:
    """Let an op wait for no update of variables: a frozen network has none."""
    kept = [source for source in node.input
            if not (source.startswith("^") and nodes[graph_nodes.op_of(source)].op in _UPDATING)]
    if len(kept) != len(node.input):
        del node.input[:]
        node.input.extend(kept)
