"""The smallest set of quantizers with more bits that meets a goal.

What may have more bits are activations, weights, or whole ops. They are tried in the order of the harm that they do, or
of the harm for each bit that they would add, and the set is made small by measuring, as that of culprits is
(`base/bisection.py`).
"""

from dataclasses import dataclass
from typing import Callable, Dict, Generic, List, Mapping, Optional, Sequence, Set, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base import bisection
from quant_accuracy.base.bisection import Figures, Measured, OutOfTimeError, Trial, Trials
from quant_accuracy.base.budget import Budget
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import owners
from quant_accuracy.quantization.configuration import BIAS
from quant_accuracy.quantization.records import PARAM, Override, Quantizer
from quant_accuracy.repair.cost import Sizes

ACTIVATIONS, WEIGHTS, OPS = "activations", "weights", "ops"
KINDS = (ACTIVATIONS, WEIGHTS, OPS)
_FEW_BITS, _MORE_BITS = 8, 16
# Ops that are computed together with the layer before them.
_WITH_LAYER = ("BiasAdd", "Relu", "Relu6", "Identity")


@dataclass(frozen=True)
class Choice:
    """Quantizers that get more bits together.

    Attributes:
        name: A tensor, or an op.
        tensors: What they quantize, in the network's order.
        harm: How much they harm.
        price: How many bits they add for an image, weights and activations together.
    """

    name: str
    tensors: Tuple[str, ...]
    harm: float
    price: float


@dataclass(frozen=True)
class Found(Generic[Figures]):
    """What a search has found.

    Attributes:
        best: The trial of the cheapest set that meets the goal; None where none did.
        closest: The trial that came closest to it; None where nothing was measured.
        smallest: None of the best set can do with the bits that it had, as far as `parts` goes: time did not run out
            before that was known.
        possible: Whether the goal is met with more bits for all; None where that was not measured.
        trials: All measurements, in their order.
    """

    best: Optional["Trial[Figures]"]
    closest: Optional["Trial[Figures]"]
    smallest: bool
    possible: Optional[bool]
    trials: Sequence["Trial[Figures]"]


def raised(bitwidth: int) -> int:
    """How many bits a quantizer gets instead of its own: 8 for fewer, 16 for 8 and more."""
    return _FEW_BITS if bitwidth < _FEW_BITS else _MORE_BITS


def overrides(quantizers: Sequence[Quantizer], tensors: Sequence[str]) -> Tuple[Override, ...]:
    """What a card says to give the quantizers on some tensors more bits."""
    chosen = set(tensors)
    return tuple(Override(quantizer.tensor, bitwidth=raised(quantizer.bitwidth)) for quantizer in quantizers
                 if quantizer.tensor in chosen)


def able(quantizers: Sequence[Quantizer], kind: str) -> List[Quantizer]:
    """Those that can have more bits, of a kind of `KINDS`."""
    return [quantizer for quantizer in quantizers if quantizer.enabled and quantizer.bitwidth < _MORE_BITS
            and (kind == OPS or ((quantizer.kind == PARAM) == (kind == WEIGHTS) and quantizer.role != BIAS))]


def choices(graph: tf.GraphDef, quantizers: Sequence[Quantizer], kind: str, harm: Mapping[str, float],
            sizes: Sizes, by_price: bool = False) -> List[Choice]:
    """What may have more bits, in the order in which it is tried.

    Args:
        graph: The folded graph.
        quantizers: Its quantizers.
        kind: `activations`, `weights`, or `ops`: a layer's weights and biases with the activation that it gives.
        harm: How much each enabled quantizer harms, by tensor, in any unit that adds up.
        sizes: The network's, for prices.
        by_price: Order by harm for each bit that is added, not by harm.
    """
    chosen = able(quantizers, kind)
    groups: Dict[str, List[Quantizer]] = {}
    names = _ops(graph, chosen) if kind == OPS else {quantizer.tensor: quantizer.tensor for quantizer in chosen}
    for quantizer in chosen:
        groups.setdefault(names[quantizer.tensor], []).append(quantizer)
    found = [Choice(name, tuple(quantizer.tensor for quantizer in group),
                    sum(harm[quantizer.tensor] for quantizer in group),
                    sum(_size(sizes, quantizer.tensor) * (raised(quantizer.bitwidth) - quantizer.bitwidth)
                        for quantizer in group)) for name, group in groups.items()]
    return sorted(found, key=lambda item: -(item.harm / max(1.0, item.price) if by_price else item.harm))


def search(ranked: Sequence[Choice], measure: Callable[[Sequence[str]], "Measured[Figures]"],
           lacking: Callable[[Figures], float], budget: Budget, seconds: float = 0.0,
           parts: int = 0) -> "Found[Figures]":
    """Search for the smallest set that meets a goal, which is missed without more bits.

    Args:
        ranked: What may have more bits, in the order in which it is tried.
        measure: Gives the figures with more bits for the quantizers on some tensors.
        lacking: By how much figures miss the goal; 0 or less where they meet it.
        budget: No measurement is begun that it does not allow.
        seconds: How long a measurement takes, as far as is known.
        parts: How thoroughly the set is made small, see `bisection.smallest`.
    """
    everything = [tensor for choice in ranked for tensor in choice.tensors]
    trials = Trials(everything, measure, lacking, seconds, sure=False)
    possible: Optional[bool] = None
    smallest = False
    try:
        possible = bool(ranked) and trials.holds(frozenset(everything), budget)
        if possible:
            bisection.smallest([choice.tensors for choice in ranked], trials, budget, parts)
            smallest = True
    except OutOfTimeError:
        pass
    return Found(_cheapest(ranked, trials.done()), trials.closest(), smallest, possible, trials.done())


def _cheapest(ranked: Sequence[Choice], trials: Sequence["Trial[Figures]"]) -> Optional["Trial[Figures]"]:
    """Of the trials that meet the goal the one with the fewest choices, of several the cheapest."""
    def price(trial: "Trial[Figures]") -> Tuple[int, float]:
        chosen = [choice for choice in ranked if set(choice.tensors) <= set(trial.chosen)]
        return len(chosen), sum(choice.price for choice in chosen)

    good = [trial for trial in trials if trial.met]
    return min(good, key=price) if good else None


def _size(sizes: Sizes, tensor: str) -> int:
    return sizes.weights.get(tensor, sizes.activations.get(tensor, 0))


def _ops(graph: tf.GraphDef, quantizers: Sequence[Quantizer]) -> Dict[str, str]:
    """The op that each quantizer belongs to, by tensor: what is computed together is one op, named for its layer."""
    nodes = graph_nodes.by_name(graph)
    quantized: Set[str] = {quantizer.tensor for quantizer in quantizers if quantizer.kind != PARAM}
    found = {}
    for tensor, owner in owners.of_quantizers(graph, quantizers).items():
        node = owner
        while node.op in _WITH_LAYER and graph_nodes.tensor_of(node.input[0]) not in quantized:
            node = nodes[graph_nodes.op_of(node.input[0])]
        found[tensor] = (node if node.op in graph_nodes.LINEAR else owner).name
    return found
