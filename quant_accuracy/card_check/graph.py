"""A checkpoint's graph against a model card: ops, input, overrides, and what the placement will look like."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import float_graph
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import boundaries, image_input, marks
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.judging import checks
from quant_accuracy.judging.checks import QuantizedNetwork
from quant_accuracy.judging.verdicts import FAIL
from quant_accuracy.quantization import overrides, placement
from quant_accuracy.quantization.records import FOLD, Quantization, Quantizer, Settings
from quant_accuracy.settings.card import ModelCard


class GraphFindings(NamedTuple):
    """What is known of a graph.

    Attributes:
        faults: What will stop a run.
        notes: The checks that will fail, with what they will say first.
        summary: What was looked at; empty where the graph cannot be read.
    """

    faults: Sequence[str]
    notes: Sequence[str] = ()
    summary: str = ""


def check(card: ModelCard, checkpoint: Path, trusted: bool = False) -> GraphFindings:
    """Hold a checkpoint against a model card.

    Args:
        card: The card.
        checkpoint: Prefix of the checkpoint's files.
        trusted: The checkpoint's graph may hold ops that reach outside.
    """
    faults: List[str] = []
    meta = _attempt(faults, load.load_graph, checkpoint)
    if meta is None:
        return GraphFindings(faults)
    summary = f"{checkpoint}: {len(meta.node)} ops"
    faults += missing_ops(meta, card.graph)
    if faults:
        return GraphFindings(faults, (), summary)
    frozen = _attempt(faults, load.load_network, checkpoint, card.graph, trusted)
    if frozen is None:
        return GraphFindings(faults, (), summary)
    names, spelled = card.graph, card.quantization.spelled_out_batch_norms
    taken = _attempt(faults, image_input.describe, frozen, names)
    if taken is not None:
        _attempt(faults, image_input.check, taken, names, card.height, card.width, 1)
    folded = _attempt(faults, fold.fold_batch_norms, Network.of(frozen, names), spelled == FOLD)
    if folded is None:
        return GraphFindings(faults, (), summary)
    network = replace(Network.of(frozen, names), graph=folded.graph)
    quantizers = _placed(network, card.quantization, faults)
    left = _attempt(faults, float_graph.batch_norms_left, card, folded) or []
    on = sum(quantizer.enabled for quantizer in quantizers)
    summary = f"{summary}, {on} quantizers{settled(frozen)}"
    return GraphFindings(faults, _notes(card, quantizers, left) if not faults else (), summary)


def settled(frozen: tf.GraphDef) -> str:
    """What is said of the learning phase of a frozen graph; empty where it had none."""
    found = [f"{name} ({count} tensors)" for name, count in sorted(marks.phases(frozen).items())]
    return f", settled to inference: {', '.join(found)}" if found else ""


def missing_ops(graph: tf.GraphDef, names: GraphNames) -> List[str]:
    """A line for each op that a card names and the graph does not have."""
    faults: List[str] = []
    nodes = graph_nodes.by_name(graph)
    for name in names.detections:
        _attempt(faults, graph_nodes.require, nodes, [name])
    if faults or names.image_input not in nodes:
        # Without both ends nothing can be told of the network between them.
        for name in (names.image_input, *names.starting_ops, *names.output_ops):
            _attempt(faults, graph_nodes.require, nodes, [name])
        return faults
    for start in names.starting_ops:
        if start not in nodes:
            others = [other for other in names.starting_ops if other in nodes]
            _attempt(faults, boundaries.check, graph, replace(names, starting_ops=(start, *others), output_ops=()))
    for output in names.output_ops:
        if output not in nodes:
            alone = replace(names, starting_ops=(names.image_input,), output_ops=(output,))
            _attempt(faults, boundaries.check, graph, alone)
    return faults


def _placed(folded: Network, settings: Settings, faults: List[str]) -> List[Quantizer]:
    """The quantizers, with those overrides that match one; they are placed once, however many overrides there are."""
    unknown: List[str] = []
    plain = _attempt(unknown, placement.place_quantizers, folded, replace(settings, overrides=()))
    if plain is None:
        # Overrides may be what it needs.
        return _attempt(faults, placement.place_quantizers, folded, settings) or []
    fitting = []
    for override in settings.overrides:
        before = len(faults)
        _attempt(faults, overrides.apply, plain, [override])
        fitting += [override] if len(faults) == before else []
    found = overrides.apply(plain, fitting)
    _attempt(faults, overrides.check_symmetry, found)
    return found


def _notes(card: ModelCard, quantizers: Sequence[Quantizer], left: Sequence[fold.NotFolded]) -> List[str]:
    known = card.known_failures()
    found = [checks.of_folding([item.batch_norm for item in left], {item.batch_norm: item.reason for item in left})]
    found += checks.of_placement(QuantizedNetwork(Quantization(quantizers, {}), card.graph, card.assumptions))
    return [f"the check {verdict.gate} will fail: {' '.join(verdict.message.split()[:40])}" for verdict in found
            if verdict.outcome == FAIL and verdict.gate not in known]


def _attempt(faults: List[str], step: Callable[..., Any], *arguments: Any) -> Any:
    """What a step gives; None, with a fault more, where it cannot be done."""
    try:
        return step(*arguments)
    except QuantAccuracyError as error:
        if str(error) not in faults:
            faults.append(str(error))
        return None
