"""AIMET's quantizers on the graph that is folded here: by what their tensors are, not by what they are called.

AIMET folds a checkpoint by itself and numbers the new biases in its own order. Each of its quantizers is looked up in
the graph of this project by the place of its tensor; where the tensor has another name here, the quantizer takes that.
"""

from dataclasses import replace
from typing import Callable, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import progress
from quant_accuracy.base.errors import GraphError
from quant_accuracy.freezing.predicates import PLACEHOLDERS
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encodings, Quantizer, Settings
from quant_accuracy.quantization.same_tensors import Place, Tensors, same, with_shapes, without_dropouts

_REMEDY = "use --backend builtin"
# Both fold in float32; another weight, or one that took another batch norm, is another one altogether.
_ROUNDING = 1e-4


class Joined(NamedTuple):
    """A quantizer of AIMET's, as it is called there and here.

    Attributes:
        theirs: As AIMET calls it and its tensor.
        ours: The same with the names of this project's graph.
    """

    theirs: Quantizer
    ours: Quantizer


def join(quantizers: Sequence[Quantizer], theirs: tf.GraphDef, network: Network) -> List[Joined]:
    """Find the tensor of each of AIMET's quantizers in the network that is folded here.

    One that is off, on a tensor that is not in this network at all, is left out.

    Args:
        quantizers: AIMET's, in its order.
        theirs: The graph that AIMET folded, with shapes, without quantize ops.
        network: This project's own, folded.

    Raises:
        GraphError: A quantizer's tensor is not in this network, or is another one here.
    """
    there = Tensors(without_dropouts(theirs, [quantizer.tensor for quantizer in quantizers]))
    here = Tensors(with_shapes(network.graph))
    taken = {node.name.lower() for node in network.graph.node}
    found: List[Joined] = []
    left_out: List[str] = []
    for quantizer in quantizers:
        tensor = _counterpart(quantizer, there, here)
        if tensor is not None:
            name = placement.quantizer_name(tensor, taken)
            found.append(Joined(quantizer, replace(quantizer, name=name, tensor=tensor)))
        else:
            left_out.append(quantizer.tensor)
    tensors = {item.ours.tensor: item.theirs.tensor for item in found}
    for item in found:
        if tensors[item.ours.tensor] != item.theirs.tensor:
            raise GraphError(f"AIMET has quantizers on {item.theirs.tensor!r} and {tensors[item.ours.tensor]!r}, which "
                             f"are one tensor here, {item.ours.tensor!r}; {_REMEDY}")
    _say(found, left_out)
    return found


def _counterpart(quantizer: Quantizer, there: Tensors, here: Tensors) -> Optional[str]:
    """The name that a quantizer's tensor has here; None where it has none and needs none."""
    param = quantizer.kind == PARAM
    place = there.place(quantizer.tensor, param)
    biased = there.biased(quantizer.tensor, param)
    tensor = (biased and here.bias_of(biased, param)) or quantizer.tensor
    if tensor not in here:
        if not quantizer.enabled:
            return None
        raise GraphError(f"AIMET quantizes {quantizer.tensor!r}, {place}, which is not in the network as it is folded "
                         f"here; {_REMEDY}")
    other = here.place(tensor, param)
    if not same(other, place):
        raise _other_tensor(quantizer.tensor, place, tensor, other)
    return tensor


def _other_tensor(theirs: str, place: Place, ours: str, other: Place) -> GraphError:
    name = f"AIMET's {theirs!r}" if theirs == ours else f"AIMET's {theirs!r}, which should be {ours!r} here,"
    return GraphError(f"{name} is {place}; in the network as it is folded here {ours!r} is {other}: what AIMET says of "
                      f"the one does not hold for the other; {_REMEDY}")


def _say(found: Sequence[Joined], left_out: Sequence[str]) -> None:
    renamed = [item for item in found if item.ours.tensor != item.theirs.tensor]
    if renamed:
        first = renamed[0]
        progress.say(f"AIMET: {len(renamed)} of its tensors have other names here, which are used from now on: its "
                     f"{first.theirs.tensor} is {first.ours.tensor}"
                     f"{f', and {len(renamed) - 1} more' if len(renamed) > 1 else ''}")
    if left_out:
        progress.say(f"AIMET: {len(left_out)} quantizers are left out, which are off, and on tensors that are not in "
                     f"the network as it is folded here: {', '.join(left_out[:3])}"
                     f"{f' and {len(left_out) - 3} more' if len(left_out) > 3 else ''}")


def require_weights(joined: Sequence[Joined], theirs: tf.GraphDef,
                    fetch: Callable[[List[str]], Sequence[np.ndarray]], graph: tf.GraphDef) -> None:
    """Check that AIMET made its encodings for the weights that the folded graph here has.

    Args:
        joined: The quantizers.
        theirs: The graph that AIMET folded.
        fetch: Gives the values of some of AIMET's tensors, weights and biases in floating point.
        graph: This project's folded graph.

    Raises:
        GraphError: A weight is another one: folding did something else to it.
    """
    nodes, there = graph_nodes.by_name(graph), graph_nodes.by_name(theirs)
    # AIMET also takes for a param what a layer computes, and what a loop reads as it runs.
    params = [item for item in joined if item.ours.kind == PARAM and graph_nodes.is_constant(nodes, item.ours.tensor)
              and not _needs_input(there, item.theirs.tensor)]
    for item, other in zip(params, fetch([item.theirs.tensor for item in params])):
        value = graph_nodes.constant(nodes, item.ours.tensor)
        room = _ROUNDING * float(max(np.abs(value).max(), np.abs(other).max())) if value.size else 0.0
        if value.shape != other.shape or not np.allclose(value, other, rtol=0.0, atol=room):
            raise GraphError(f"AIMET's weights {item.theirs.tensor!r} are not those of {item.ours.tensor!r} here: "
                             "it folds a batch norm into them that is folded otherwise here, or not at all, so its "
                             f"encodings are for another network; give --simulate aimet, or {_REMEDY}")


def _needs_input(nodes: Mapping[str, tf.NodeDef], tensor: str) -> bool:
    return any(nodes[name].op in PLACEHOLDERS for name in graph_nodes.needed(nodes, [graph_nodes.op_of(tensor)]))


def with_reasons(joined: Sequence[Joined], network: Network, settings: Settings) -> List[Joined]:
    """The quantizers, with those marked that a supergroup covers, which AIMET does not tell.

    Raises:
        ConfigurationError: The configuration contradicts itself on a tensor.
    """
    placed = placement.place_quantizers(network, replace(settings, overrides=()))
    covered = {quantizer.tensor for quantizer in placed if quantizer.covered}
    return [item._replace(ours=replace(item.ours, covered=item.ours.kind == ACTIVATION and not item.ours.enabled
                                       and item.ours.tensor in covered)) for item in joined]


def named_here(joined: Sequence[Joined], encodings: Encodings) -> Encodings:
    """Encodings by AIMET's names as encodings by the names of this project's graph."""
    return {item.ours.tensor: encodings[item.theirs.tensor] for item in joined if item.theirs.tensor in encodings}
