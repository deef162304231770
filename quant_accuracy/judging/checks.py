"""Checks: what has to hold of a quantized network and of its evaluation, whatever the figures are.

Every check gives a verdict as gates do, and every door asks all of them: what one shows red is red everywhere. What a
check cannot see counts as wrong. In a failed verdict each thing that is wrong stands in a line of its own.
"""

from dataclasses import replace
from typing import Iterable, List, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.judging import coverage
from quant_accuracy.judging.verdicts import CHECK, FAIL, INCONCLUSIVE, PASS, Verdict
from quant_accuracy.quantization import assumptions, snapshot
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import ACTIVATION, INPUT, PARAM, Quantization, Quantizer
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.settings.gates import CHECKS, ENCODINGS_DRIFT

BATCH_NORMS, WEIGHTS, BIASES, ACTIVATIONS, INPUTS, OUTPUTS, SNAPSHOT, BITWIDTHS, USABLE, COVERAGE = CHECKS
DRIFT_LIMIT = 0.01
_SHOWN = 3


class QuantizedNetwork(NamedTuple):
    """A quantized network, and what its model card expects of it.

    Attributes:
        quantization: Its quantizers and encodings.
        names: Its ops.
        assumed: What the model card expects.
    """

    quantization: Quantization
    names: GraphNames
    assumed: Assumptions

    @property
    def quantizers(self) -> Sequence[Quantizer]:
        """All of its quantizers, enabled or not."""
        return self.quantization.quantizers


class Committed(NamedTuple):
    """What the quantizers are compared with.

    Attributes:
        quantizers: The snapshot; None where there is none.
        required: Whether it is missed: the card compares with a baseline, or other files of one are there.
        remedy: What to do where it is missing.
        recalibrated: Whether it was calibrated on other images, as far as the baseline tells.
    """

    quantizers: Optional[Sequence[Placed]]
    required: bool
    remedy: str
    recalibrated: bool = False


def of_placement(network: QuantizedNetwork) -> List[Verdict]:
    """Quantizers are where the model card expects them; those that the card itself switches are as it says.

    - `weights_quantized`: each weight has an enabled quantizer, and there is a weight;
    - `activations_quantized`: so has each activation between inputs and outputs, unless a supergroup covers it;
    - `biases`, `model_inputs`, `network_outputs`: these are quantized, or are not, as the card's assumptions say.
    """
    assumed = network.assumed
    free = [q for q in network.quantizers if not assumed.switched(q.tensor)]
    return [
        _weights(network.quantizers, free),
        _as_assumed(BIASES, "biases", [q for q in free if q.role == BIAS], assumed.biases),
        _activations(network, free),
        _model_inputs(network, free),
        _outputs(network),
    ]


def of_folding(batch_norms: Sequence[str], reasons: Mapping[str, str]) -> Verdict:
    """`batch_norms_folded`: no batch norm is left in the network.

    Args:
        batch_norms: Those that are in the network after folding.
        reasons: Why one could not be folded, by name, as far as folding knew of it.
    """
    return _verdict(BATCH_NORMS, "batch norms left in the network",
                    [f"{name}: {reasons.get(name, 'not tried')}" for name in batch_norms], "all batch norms are folded")


def of_bitwidths(quantizers: Sequence[Quantizer], network: QuantizedNetwork) -> Verdict:
    """`bitwidths`: these enabled quantizers, and their encodings, have the bits and the symmetry that the card says."""
    encodings = network.quantization.encodings
    lines = [f"{q.tensor}: {text}" for q in quantizers
             for text in assumptions.wrong_settings(q, encodings.get(q.tensor, ()), network.assumed)]
    return _verdict(BITWIDTHS, "not as the card says", lines,
                    f"the bits and the symmetry of {_count(quantizers)} are as the card says")


def of_encodings(quantizers: Sequence[Quantizer], network: QuantizedNetwork) -> Verdict:
    """`encodings_usable`: these enabled quantizers have ranges that are finite, in order, and hold zero."""
    encodings = network.quantization.encodings
    reasons = [(q.tensor, assumptions.wrong_range(encodings.get(q.tensor, ()))) for q in quantizers]
    return _verdict(USABLE, "unusable encodings", [f"{tensor}: {reason}" for tensor, reason in reasons if reason],
                    f"the encodings of {_count(quantizers)} are usable")


def of_snapshot(committed: Committed, now: Sequence[Placed]) -> Verdict:
    """`quantizers_of_snapshot`: every quantizer is as it was when somebody looked at them; ranges may have moved."""
    if committed.quantizers is None:
        return _missing(SNAPSHOT, "there is no snapshot", committed)
    return _verdict(SNAPSHOT, f"quantizers are not those of the committed snapshot{_renumbered(committed, now)}",
                    snapshot.differences(committed.quantizers, now),
                    f"all {len(now)} quantizers are as in the snapshot")


def of_drift(limit: float, committed: Committed, now: Sequence[Placed]) -> Verdict:
    """`encodings_drift`: no range has moved from that of the snapshot by more of its width than the limit.

    Another number of ranges counts as moved. Where the quantizer itself is another one, which `quantizers_of_snapshot`
    tells, nothing is known of its encoding: what is left does not pass.
    """
    if committed.quantizers is None:
        return replace(_missing(ENCODINGS_DRIFT, "there is no snapshot of the encodings", committed), upper=limit)
    drifts, unknown = snapshot.drifts(committed.quantizers, now), snapshot.not_compared(committed.quantizers, now)
    every, value = len(drifts) + len(unknown.ranges) + len(unknown.others), drifts[0].change if drifts else None
    worse = [str(drift) for drift in drifts if drift.change > limit]
    lines = [*worse, *(f"{tensor}: {reason}" for tensor, reason in unknown.ranges.items())]
    message = f"{len(lines)} of {every} encodings moved by more than {100 * limit:g} % of their range"
    message += f", of which {len(unknown.ranges)} are other ranges altogether" if unknown.ranges else ""
    message += "; they were calibrated on other images: the first ones, in the order of the shards' names, are others" \
        if committed.recalibrated else ""
    if not lines:
        message = f"the encodings of {len(drifts)} quantizers moved by at most {100 * (value or 0.0):.3g} % of their " \
                  f"range, {100 * limit:g} % is allowed" + (f", {drifts[0]}" if value else "")
    if unknown.others:
        message += f"; {len(unknown.others)} of {every} encodings cannot be compared, because their quantizers are " \
                   f"not those of the snapshot: {_some(unknown.others)}"
    outcome = FAIL if lines else INCONCLUSIVE if unknown.others else PASS
    message += _renumbered(committed, now)
    return Verdict(ENCODINGS_DRIFT, value, None, limit, outcome, _listed(message, lines), kind=CHECK)


def of_coverage(expected: Sequence[int], evaluated: Mapping[str, Sequence[int]]) -> Verdict:
    """`images_once`: every image that should be evaluated was, once, by each variant.

    Args:
        expected: The image ids that should be there.
        evaluated: Those that are, by variant.
    """
    lines = [f"{variant}: {line}" for variant, found in evaluated.items()
             for line in coverage.differences(expected, found)]
    return _verdict(COVERAGE, "not every image is evaluated once", lines,
                    f"each of the {len(expected)} images is evaluated once")


def _verdict(name: str, wrong: str, lines: Sequence[str], right: str) -> Verdict:
    outcome, message = (FAIL, _listed(wrong, lines)) if lines else (PASS, right)
    return Verdict(name, None, None, None, outcome, message, kind=CHECK)


def _renumbered(committed: Committed, now: Sequence[Placed]) -> str:
    """What is said where the same biases have other numbers: no quantizer and no range is another one."""
    if not snapshot.renumbered(committed.quantizers or (), now):
        return ""
    return ("; all of these are there under other names, with the same quantizers and ranges: the biases that folding "
            f"makes are numbered, and were numbered otherwise when the snapshot was made; {committed.remedy}")


def _listed(title: str, lines: Iterable[str]) -> str:
    found = list(lines)
    return title + ":" + "".join(f"\n  {line}" for line in found) if found else title


def _missing(name: str, problem: str, committed: Committed) -> Verdict:
    """A baseline is never taken for granted: who asked to be compared with one is red without it."""
    outcome = FAIL if committed.required else INCONCLUSIVE
    return Verdict(name, None, None, None, outcome, f"{problem}; {committed.remedy}", kind=CHECK)


def _weights(every: Sequence[Quantizer], free: Sequence[Quantizer]) -> Verdict:
    weights = [q for q in every if q.kind == PARAM and q.role == WEIGHT]
    lines = _rules(q for q in free if q.kind == PARAM and q.role == WEIGHT and not q.enabled)
    return _verdict(WEIGHTS, "weights without a quantizer", lines if weights else ["the network has no weights"],
                    f"{sum(q.enabled for q in weights)} of {len(weights)} weights are quantized, all that the card "
                    "does not switch off")


def _activations(network: QuantizedNetwork, free: Sequence[Quantizer]) -> Verdict:
    """Where supergroups cover all activations, none of which the card switches, something is wrong with them."""
    ends = _ends(network.names)
    every, left = ([q for q in side if q.kind == ACTIVATION and q.tensor not in ends]
                   for side in (network.quantizers, free))
    on = sum(q.enabled for q in every)
    lines = _rules(q for q in left if not q.enabled and not q.covered)
    if not lines and not on and (left or not every):
        lines = ["no activation of the network is quantized"]
    return _verdict(ACTIVATIONS, "activations without a quantizer", lines,
                    f"{on} of {len(every)} activations are quantized; the rest are inside supergroups or switched off "
                    "by the card")


def _as_assumed(name: str, what: str, quantizers: Sequence[Quantizer], wanted: bool) -> Verdict:
    return _verdict(name, f"{what} {'without' if wanted else 'with'} a quantizer",
                    _rules(q for q in quantizers if q.enabled != wanted), _quantized(what, wanted))


def _quantized(what: str, wanted: bool) -> str:
    return f"{what} are {'' if wanted else 'not '}quantized, as the card says"


def _rules(quantizers: Iterable[Quantizer]) -> List[str]:
    return [f"{q.tensor} (rule: {q.rule})" for q in quantizers]


def _ends(names: GraphNames) -> List[str]:
    return [f"{name}:0" for name in (names.image_input, *names.starting_ops, *names.output_ops)]


def _model_inputs(network: QuantizedNetwork, free: Sequence[Quantizer]) -> Verdict:
    """An input that should be quantized, and has no quantizer at all, is not as the card says."""
    wanted, names = network.assumed.inputs, network.names
    quantized = {q.tensor for q in _inputs(network.quantizers, names)}
    lines = [f"{start}:0 (it has no quantizer: AIMET gives none to an Identity; say inputs: false, or start at an op "
             "before it)" for start in names.starting_ops if f"{start}:0" not in quantized]
    if wanted and lines:
        return _verdict(INPUTS, "model inputs without a quantizer", lines, "")
    return _as_assumed(INPUTS, "model inputs", _inputs(free, names), wanted)


def _inputs(quantizers: Sequence[Quantizer], names: GraphNames) -> List[Quantizer]:
    tensors = {f"{name}:0" for name in (names.image_input, *names.starting_ops)}
    return [q for q in quantizers if q.role == INPUT or q.tensor in tensors]


def _outputs(network: QuantizedNetwork) -> Verdict:
    """An output that has no quantizer at all, not even a disabled one, is found by its name."""
    wanted, on = network.assumed.outputs, {q.tensor for q in network.quantizers if q.enabled}
    tensors = [f"{output}:0" for output in network.names.output_ops]
    return _verdict(OUTPUTS, f"network outputs {'without' if wanted else 'with'} a quantizer",
                    [tensor for tensor in tensors
                     if (tensor in on) != wanted and not network.assumed.switched(tensor)],
                    _quantized("network outputs", wanted))


def _count(quantizers: Sequence[Quantizer]) -> str:
    return "1 quantizer" if len(quantizers) == 1 else f"{len(quantizers)} quantizers"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
