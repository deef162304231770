"""The answer to "why?": which quantizers, which classes, which kind of error, which images."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Collection, Dict, List, Optional, Sequence

from quant_accuracy.base import progress
from quant_accuracy.base.budget import Budget, Clock
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.judging import class_drop
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.quantization.records import BUILTIN, with_layer
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import families as family_kinds
from quant_accuracy.why import goal as goals
from quant_accuracy.why import investigation, whereabouts
from quant_accuracy.why.culprits import BITS as BITS_CUT
from quant_accuracy.why.culprits import Culprits, Trial
from quant_accuracy.why.families import Family
from quant_accuracy.why.goal import Goal
from quant_accuracy.why.investigation import BITS, Loudness
from quant_accuracy.why.sensitivity import Sensitivities
from quant_accuracy.why.whereabouts import Attribution

IMAGES = 16
_NAMED = 3
# Of what a device loses.
NOT_SIMULATED = ("the simulation does not have this loss, so no quantizer is to blame; the page's section Device shows "
                 "where device and simulation part")
_GO_ON = "raise --why-budget, what is finished is kept"


@dataclass(frozen=True)
class Answer:
    """Everything that was found out.

    Attributes:
        float_metrics: The metrics of the float variant.
        quantized_metrics: The metrics of the quantized variant.
        families: The families of the quantizers that are on.
        loudness: What families do to the network's outputs, the most harmful first; empty where that was not needed.
        sensitivities: What each quantizer does to the network's outputs.
        goal: What the failed gates ask for; None where no gate on the quantized mAP failed for a loss.
        float_meets_goal: Whether the float variant does; otherwise no quantizer is to blame.
        culprits: The smallest set of quantizers without which the goal is met; None where none was looked for.
        attribution: Where the lost AP is.
        spent: Seconds for `ranking` and for `search`.
        seconds: Seconds that there were for both.
        of_device: The gates that failed for what the device loses, and the simulation does not.
    """

    float_metrics: Metrics
    quantized_metrics: Metrics
    families: Sequence[Family]
    loudness: Sequence[Loudness]
    sensitivities: Sensitivities
    goal: Optional[Goal]
    float_meets_goal: bool
    culprits: Optional[Culprits]
    attribution: Attribution
    spent: Dict[str, float]
    seconds: float
    of_device: Sequence[str] = ()

    def lines(self) -> List[str]:
        """Three lines that name the culprits."""
        return [self._culprits(), self._most_harmful(), self.attribution.line()]

    def effort(self) -> str:
        """How much was measured, and how long it took."""
        count = 0 if self.culprits is None else len(self.culprits.trials) + len(self.culprits.raised)
        return (f"{count} measurements in {self.spent['search']:.0f} s, ranking on {self.sensitivities.images} images "
                f"in {self.spent['ranking']:.0f} s, of {self.seconds:.0f} s")

    def by_harm(self, tensors: Collection[str]) -> List[str]:
        """Some tensors, the most harmful first."""
        return [item.tensor for item in self.sensitivities.quantizers if item.tensor in tensors]

    def _culprits(self) -> str:
        if self.goal is None and self.of_device:
            return f"{', '.join(self.of_device)}: {NOT_SIMULATED}; no set of quantizers was looked for"
        if self.goal is None:
            return "no gate on the quantized mAP failed for a loss: no set of quantizers was looked for"
        if not self.float_meets_goal:
            return (f"no quantizer is to blame: the float variant does not reach {self.goal} either "
                    f"(mAP {_figure(self.float_metrics)}); look at checkpoint, preprocessing and data")
        if self.culprits is None:
            return "no quantizer is on, so none is to blame"
        if self.culprits.best is None:
            return self._nothing_found(self.culprits)
        best, total = self.culprits.best, len(self.sensitivities.quantizers)
        now = _figure(self.quantized_metrics)
        who, them = ("culprit", "it") if len(best.off) == 1 else ("culprits", "them")
        alike = "" if len(best.off) == 1 else f" ({family_kinds.describe(best.off, self.families)})"
        return (f"{who}, {len(best.off)} of {total} quantizers{alike}: {self._named(best.off)}; "
                f"without {them} the quantized mAP is {_figure(best.metrics)} instead of {now}, "
                f"target: {self.goal}{self._with_bits(self.culprits)}{_cut(self.culprits)}")

    def _nothing_found(self, culprits: Culprits) -> str:
        total, closest = len(self.sensitivities.quantizers), culprits.closest
        if closest is None:
            family, together = self.loudness[0]
            return (f"no set of quantizers was measured that could give {self.goal}: time ran out before; most noise "
                    f"at the outputs is that of {family.name} ({len(family.tensors)} of {total} quantizers, alone "
                    f"{_decibels(together.only_on)}); {_GO_ON}")
        tried = "; ".join(f"without {family_kinds.describe(trial.off, self.families)} {_figure(trial.metrics)}"
                          for trial in sorted(culprits.trials, key=lambda trial: trial.lacking)[1:1 + _NAMED])
        ended = f"time ran out after {len(culprits.trials)} measurements; {_GO_ON}" if culprits.cut \
            else f"only without all {total} quantizers is it reached"
        return (f"no set of quantizers that was measured gives {self.goal}: closest is "
                f"{family_kinds.describe(closest.off, self.families)}, {len(closest.off)} of {total} quantizers, "
                f"without which the quantized mAP is {_figure(closest.metrics)} instead of "
                f"{_figure(self.quantized_metrics)}{f' ({tried})' if tried else ''}{self._with_bits(culprits)}; "
                f"{ended}")

    def _with_bits(self, culprits: Culprits) -> str:
        """What more bits give: the fewest that are enough, or what comes closest to it."""
        if not culprits.raised:
            return ""
        best = min(culprits.raised,
                   key=lambda trial: (not trial.met, len(trial.raised) if trial.met else trial.lacking))
        off = f", without {family_kinds.describe(best.off, self.families)}" if best.off else ""
        return (f"; with {BITS} bits for {family_kinds.describe(best.raised, self.families)}{off} it is "
                f"{_figure(best.metrics)}, {'enough' if best.met else 'not enough'}")

    def _most_harmful(self) -> str:
        worst = self.sensitivities.quantizers[:_NAMED]
        if not worst:
            return "no quantizer is on"
        listed = ", ".join(f"{with_layer(item.tensor, item.layer)} ({item.bitwidth} bits, SQNR {_decibels(item.sqnr)}, "
                           f"alone {_decibels(item.only_on)} at the outputs)" for item in worst)
        return f"most harmful on {self.sensitivities.images} calibration images: {listed}"

    def _named(self, tensors: Sequence[str]) -> str:
        known = {item.tensor: item.layer for item in self.sensitivities.quantizers}
        more = [f"{len(tensors) - _NAMED} more"] if len(tensors) > _NAMED else []
        return ", ".join([*(with_layer(tensor, known[tensor]) for tensor in self.by_harm(tensors)[:_NAMED]), *more])


def explain(evaluation: Evaluation, minutes: float, most_images: int = IMAGES,
            clock: Clock = time.monotonic) -> Answer:
    """Find out why the quantized variant is worse than the float one.

    Whatever was measured is kept in the cache: an interrupted search goes on where it stopped.

    Args:
        evaluation: The evaluation.
        minutes: Nothing is begun that would end after so long, as far as is known, except what an answer needs at the
            least: each quantizer on one image. What is known by then is the answer.
        most_images: On how many calibration images each quantizer is measured, at most.
        clock: Gives the time in seconds.

    Raises:
        ConfigurationError: AIMET runs the network.
        QuantAccuracyError: Something could not be measured.
    """
    if evaluation.artifacts.simulator != BUILTIN:
        raise ConfigurationError("AIMET runs a graph of its own, whose quantizers cannot be switched; ask why with "
                                 "--simulate builtin")
    progress.log(f"why: looking for the culprits, at most {minutes:g} minutes (--why-budget)")
    budget = Budget(60.0 * minutes, clock)
    floats, quantized = (evaluation.variants[name].metrics for name in (FLOAT, QUANTIZED))
    goal = goals.of_verdicts(evaluation.verdicts, floats, quantized, class_drop.judged(evaluation.figures))
    reachable = goal is not None and goal.met(floats)
    culprits = None
    with investigation.of_evaluation(evaluation, most_images, budget) as search:
        if goal is not None and reachable and search.families:
            culprits = search.culprits(goal)
        else:
            search.rank(budget)
    return Answer(floats, quantized, search.families, search.loudness, search.sensitivities, goal, reachable, culprits,
                  whereabouts.of_evaluation(evaluation), search.spent(), 60.0 * minutes,
                  goals.of_device_alone(evaluation.verdicts, quantized))


def _cut(found: Culprits) -> str:
    parts = [] if found.smallest else ["perhaps not the smallest set"]
    parts += [f"{BITS} bits were not tried"] if BITS_CUT in found.cut and not found.raised else []
    return f"; {', and '.join(parts)}: time ran out" if parts else ""


def _figure(metrics: Metrics) -> str:
    value = metrics.figures["mAP"]
    return "unknown" if value is None else f"{value:.4f}"


def _decibels(value: Optional[float]) -> str:
    return "no noise" if value is None else f"{value:.1f} dB"


def as_document(answer: Answer) -> Dict[str, Any]:
    """JSON-like."""
    where, sensitivities = answer.attribution, answer.sensitivities
    return {
        "lines": answer.lines(),
        "sensitivity": {"images": sensitivities.images, "wanted_images": sensitivities.wanted,
                        "stable": sensitivities.stable, "outputs": list(sensitivities.outputs),
                        "all_on": sensitivities.all_on,
                        "families": [{"name": item.family.name, "quantizers": len(item.family.tensors),
                                      **asdict(item.together)} for item in answer.loudness],
                        "quantizers": [asdict(item) for item in sensitivities.quantizers]},
        "bisection": None if answer.culprits is None else _bisection(answer, answer.culprits),
        "attribution": {"classes": [asdict(item) for item in where.classes],
                        "errors": [{"kind": kind, "dap": dap} for kind, dap in where.errors.items()],
                        "images": {"count": len(where.image_ids), "drop_without": where.drop_without,
                                   "image_ids": list(where.image_ids)}},
    }


def _bisection(answer: Answer, found: Culprits) -> Dict[str, Any]:
    chosen = found.best or found.closest
    best: Dict[str, Any] = {"name": "", "off": [], "mAP": None, "drop": None, "met": False}
    if chosen is not None:
        best = _trial(answer, chosen)
    return {"goal": str(answer.goal), **best, "smallest": found.smallest,
            "trials": [_trial(answer, trial) for trial in found.trials],
            "raised": [_raised(answer, trial) for trial in found.raised],
            "note": "time ran out; the same command with a larger --why-budget goes on" if found.cut else ""}


def _trial(answer: Answer, trial: Trial) -> Dict[str, Any]:
    return {"name": family_kinds.describe(trial.off, answer.families), "off": answer.by_harm(trial.off),
            **_figures(answer, trial.metrics), "met": trial.met}


def _raised(answer: Answer, trial: Trial) -> Dict[str, Any]:
    return {"name": family_kinds.describe(trial.raised, answer.families), "bitwidth": BITS,
            "tensors": answer.by_harm(trial.raised), "off": answer.by_harm(trial.off),
            **_figures(answer, trial.metrics), "met": trial.met}


def _figures(answer: Answer, metrics: Metrics) -> Dict[str, Any]:
    float_map, quantized_map = answer.float_metrics.figures["mAP"], metrics.figures["mAP"]
    drop = None if float_map is None or quantized_map is None else float_map - quantized_map
    return {"mAP": quantized_map, "drop": drop}
