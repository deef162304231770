"""The answer to "why?": which quantizers, which classes, which kind of error, which images."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy import artifacts, evaluation, progress, sessions
from quant_accuracy.artifacts import FLOAT, QUANTIZED
from quant_accuracy.data import images
from quant_accuracy.errors import ConfigurationError
from quant_accuracy.evaluation import Evaluation
from quant_accuracy.quantization.records import AIMET, with_layer
from quant_accuracy.scoring import attribution, bootstrap, error_kinds
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import bisection, sensitivity
from quant_accuracy.why import goal as goals
from quant_accuracy.why.bisection import Found, Trial
from quant_accuracy.why.goal import Goal
from quant_accuracy.why.noise import Network
from quant_accuracy.why.sensitivity import Sensitivities

IMAGES = 16
_NAMED = 3


@dataclass(frozen=True)
class ClassShare:
    """What a class contributes to the mAP drop.

    Attributes:
        name: The class.
        drop: Its float AP - quantized AP.
        share: Of the mAP drop, which is the mean over the classes; None where that is no loss.
    """

    name: str
    drop: float
    share: Optional[float]


@dataclass(frozen=True)
class Attribution:
    """Where the lost AP is.

    Attributes:
        classes: All classes, the largest drop first.
        errors: What each kind of error costs in AP50 more than in the float variant, the most first.
        image_ids: The images whose own AP lost most, a dozen at most.
        drop_without: The mAP drop without these images; None where nothing is left of it.
    """

    classes: Sequence[ClassShare]
    errors: Dict[str, float]
    image_ids: Sequence[int]
    drop_without: Optional[float]


@dataclass(frozen=True)
class Answer:
    """Everything that was found out.

    Attributes:
        before: The metrics of the float variant.
        after: The metrics of the quantized variant.
        sensitivities: What each quantizer does to the network's outputs.
        goal: What the failed gates ask for; None where no gate on the quantized mAP failed for a loss.
        float_meets_goal: Whether the float variant does; otherwise no quantizer is to blame.
        found: The smallest set of quantizers without which the goal is met; None where none was looked for.
        attribution: Where the lost AP is.
    """

    before: Metrics
    after: Metrics
    sensitivities: Sensitivities
    goal: Optional[Goal]
    float_meets_goal: bool
    found: Optional[Found]
    attribution: Attribution

    def lines(self) -> List[str]:
        """Three lines that name the culprits."""
        return [self._culprits(), self._most_harmful(), self._where()]

    def _culprits(self) -> str:
        if self.goal is None:
            return "no gate on the quantized mAP failed for a loss: no set of quantizers was looked for"
        if not self.float_meets_goal:
            return (f"no quantizer is to blame: the float variant does not reach {self.goal} either "
                    f"(mAP {_figure(self.before)}); look at checkpoint, preprocessing and data")
        if self.found is None:
            return "no quantizer is on, so none is to blame"
        if self.found.best is None:
            return (f"no set of quantizers was found whose removal gives {self.goal}: time ran out after "
                    f"{len(self.found.trials)} measurements; raise --why-budget, finished ones are kept")
        best, total = self.found.best, len(self.sensitivities.quantizers)
        smallest = "" if self.found.smallest else "; perhaps not the smallest set: time ran out"
        who, them = ("culprit", "it") if len(best.off) == 1 else ("culprits", "them")
        return (f"{who}, {len(best.off)} of {total} quantizers{self._alike(best.off)}: {self._named(best.off)}; "
                f"without {them} the quantized mAP is {_figure(best.metrics)} instead of {_figure(self.after)}, "
                f"wanted: {self.goal}{smallest}")

    def _most_harmful(self) -> str:
        worst = self.sensitivities.quantizers[:_NAMED]
        if not worst:
            return "no quantizer is on"
        listed = ", ".join(f"{with_layer(item.tensor, item.layer)} ({item.bitwidth} bits, SQNR {_decibels(item.sqnr)}, "
                           f"alone {_decibels(item.only_on)} at the outputs)" for item in worst)
        return f"most harmful on {self.sensitivities.images} calibration images: {listed}"

    def _where(self) -> str:
        found = self.attribution
        classes = ", ".join(f"{item.name} {item.drop:.4f}" for item in found.classes[:_NAMED] if item.drop > 0)
        parts = [f"AP drop by class {classes}" if classes else "no class lost AP"]
        kinds = [f"{kind} {dap:+.4f}" for kind, dap in found.errors.items() if dap > 0][:1]
        parts += [f"AP50 lost to errors of kind {kinds[0]}"] if kinds else []
        if found.image_ids and found.drop_without is not None:
            few = ", ".join(map(str, found.image_ids[:_NAMED]))
            more = len(found.image_ids) - _NAMED
            parts.append(f"without images {few}{f' and {more} more' if more > 0 else ''} the mAP drop would be "
                         f"{found.drop_without:.4f}")
        return "; ".join(parts)

    def _alike(self, tensors: Sequence[str]) -> str:
        """What many culprits have in common, where it tells them from the others."""
        families = {item.tensor: (item.kind, item.bitwidth) for item in self.sensitivities.quantizers}
        of_culprits = {families[tensor] for tensor in tensors}
        if len(tensors) <= _NAMED or len(of_culprits) > 1 or of_culprits == set(families.values()):
            return ""
        kind, bitwidth = of_culprits.pop()
        return f", all of them {kind}s with {bitwidth} bits"

    def _named(self, tensors: Sequence[str]) -> str:
        known = {item.tensor: item.layer for item in self.sensitivities.quantizers}
        more = [f"{len(tensors) - _NAMED} more"] if len(tensors) > _NAMED else []
        return ", ".join([*(with_layer(tensor, known[tensor]) for tensor in tensors[:_NAMED]), *more])


def explain(done: Evaluation, minutes: float, most_images: int = IMAGES) -> Answer:
    """Find out why the quantized variant is worse than the float one.

    Whatever was measured is kept in the cache: an interrupted search goes on where it stopped.

    Args:
        done: The evaluation.
        minutes: After so long no measurement is begun; what is known by then is the answer.
        most_images: On how many calibration images each quantizer is measured, at most.

    Raises:
        ConfigurationError: AIMET runs the network.
        QuantAccuracyError: Something could not be measured.
    """
    if done.artifacts.simulator == AIMET:
        raise ConfigurationError("AIMET runs a graph of its own, whose quantizers cannot be switched; ask why with "
                                 "--simulate builtin")
    deadline = time.monotonic() + 60.0 * minutes
    before, after = (done.variants[name].metrics for name in (FLOAT, QUANTIZED))
    with done.prepared.watch.step("why: each quantizer"):
        sensitivities = _sensitivities(done, most_images, deadline)
    wanted = goals.of_verdicts(done.verdicts, before, after)
    reachable = wanted is not None and wanted.met(before)
    found = None
    if wanted is not None and reachable and sensitivities.quantizers:
        with done.prepared.watch.step("why: culprits"):
            found = _search(done, wanted, sensitivities, deadline)
    return Answer(before, after, sensitivities, wanted, reachable, found, _attribution(done))


def _sensitivities(done: Evaluation, most: int, deadline: float) -> Sensitivities:
    task, card, built = done.prepared.task, done.request.card, done.artifacts
    count = min(most, card.calibration_images)
    pictures = images.read_images(artifacts.calibration_shards(done.prepared.every_shard, count), count, card.height,
                                  card.width)
    inputs = {"quantsim": built.quantsim_folder.name, "tensorflow": tf.__version__,
              "code": artifacts.code_digest("graph", "quantization", "why")}
    network = Network(built.graph(FLOAT), card.graph, built.quantizers, built.encodings)
    # One process measures, others wait and find what it has kept.
    with task.cache.hold(f"sensitivity-{built.quantsim_folder.name}"), sessions.limited_to(task.request.threads):
        return sensitivity.measure(network, pictures,
                                   lambda index: task.cache.path("sensitivity", {**inputs, "image": index}, ".npz"),
                                   deadline)


def _search(done: Evaluation, wanted: Goal, sensitivities: Sensitivities, deadline: float) -> Found:
    ranked = [item.tensor for item in sensitivities.quantizers]

    def measure(off: Sequence[str]) -> Metrics:
        metrics = evaluation.measure_without(done.prepared, off).metrics
        progress.note(f"why: without {len(off)} of {len(ranked)} quantizers the quantized mAP is {_figure(metrics)}, "
                      f"wanted: {wanted}")
        return metrics

    families: Dict[Tuple[str, int], List[str]] = {}
    for item in sensitivities.quantizers:
        families.setdefault((item.kind, item.bitwidth), []).append(item.tensor)
    return bisection.search(ranked, sorted(families.values(), key=len), measure, wanted.met,
                            lambda: time.monotonic() < deadline)


def _attribution(done: Evaluation) -> Attribution:
    before, after = (done.variants[name] for name in (FLOAT, QUANTIZED))
    drops = goals.class_drops(before.metrics, after.metrics)
    total = sum(drops.values())
    classes = [ClassShare(name, drop, drop / total if total > 0 else None) for name, drop in drops.items()]
    truth = done.prepared.truth
    kinds = error_kinds.difference(*(error_kinds.analyse(variant.merged, truth, variant.matches)
                                     for variant in (before, after)))
    errors = {kind: dap for kind, dap in kinds.dap.items() if dap is not None}
    changed = attribution.changed_images(before.matches, after.matches)
    without = ~np.isin(before.matches.image_ids, changed)
    maps = [bootstrap.mean_aps(variant.matches, without[None].astype(np.int64))[0] for variant in (before, after)]
    drop = float(maps[0] - maps[1])
    return Attribution(sorted(classes, key=lambda item: (-item.drop, item.name)),
                       dict(sorted(errors.items(), key=lambda item: -item[1])), changed,
                       None if math.isnan(drop) else drop)


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
                        "outputs": list(sensitivities.outputs), "all_on": sensitivities.all_on,
                        "quantizers": [asdict(item) for item in sensitivities.quantizers]},
        "bisection": None if answer.found is None else _bisection(answer, answer.found),
        "attribution": {"classes": [asdict(item) for item in where.classes],
                        "errors": [{"kind": kind, "dap": dap} for kind, dap in where.errors.items()],
                        "images": {"count": len(where.image_ids), "drop_without": where.drop_without,
                                   "image_ids": list(where.image_ids)}},
    }


def _bisection(answer: Answer, found: Found) -> Dict[str, Any]:
    best: Dict[str, Any] = {"off": [], "mAP": None, "drop": None, "met": False}
    if found.best is not None:
        best = _trial(answer, found.best)
    return {"goal": str(answer.goal), **best, "smallest": found.smallest,
            "trials": [_trial(answer, trial) for trial in found.trials],
            "note": "" if found.smallest else "time ran out; the same command with a larger --why-budget goes on"}


def _trial(answer: Answer, trial: Trial) -> Dict[str, Any]:
    before, after = answer.before.figures["mAP"], trial.metrics.figures["mAP"]
    return {"off": list(trial.off), "mAP": after, "met": trial.met,
            "drop": None if before is None or after is None else before - after}
