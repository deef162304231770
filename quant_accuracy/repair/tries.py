"""Everything that was tried: measured on a part of the shards, told, and proved on all of them."""

from dataclasses import dataclass, replace
from typing import Callable, Dict, List, Optional

from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.base import command_line, progress
from quant_accuracy.base.bisection import OutOfTimeError
from quant_accuracy.base.budget import Budget, Clock
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS
from quant_accuracy.pipeline import trial
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.repair import attempts, weights
from quant_accuracy.repair import goal as goals
from quant_accuracy.repair import split as splits
from quant_accuracy.repair.attempts import Attempt, Bench, Candidate
from quant_accuracy.repair.cost import Sizes
from quant_accuracy.repair.plan import Plan
from quant_accuracy.settings.card import ModelCard


class RepairedError(Exception):
    """There is a repair, and the plan asks for no more."""


@dataclass(frozen=True)
class Proof:
    """A candidate on all images, and on those that the search has not seen.

    Attributes:
        whole: On all evaluated shards.
        held_back: On those that were held back; None where none were.
        agrees: What these say of the drop: `pass`, `fail` or `inconclusive`; None where there are none.
        accepted: Whether it is a repair.
    """

    whole: Attempt
    held_back: Optional[Attempt]
    agrees: Optional[str]
    accepted: bool


class Tries:
    """Measures candidates and remembers them, until the time of a plan is used up.

    Attributes:
        evaluation: The evaluation of the red card.
        plan: What may be tried.
        clock: Gives the time in seconds.
        budget: How much of it is left.
        goal: What the gates ask for.
        split: Which shards are searched on, and which are held back.
        bench: Measures on the former.
        attempts: What was measured there, in order.
        proofs: What was measured on all shards.
        unfinished: What was not tried to its end, and why.
    """

    def __init__(self, evaluation: Evaluation, plan: Plan, clock: Clock) -> None:
        prepared = evaluation.prepared
        card = prepared.request.card
        self.evaluation, self.plan, self.clock = evaluation, plan, clock
        self.budget = Budget(60.0 * plan.minutes, clock)
        floats, quantized = evaluation.float, evaluation.quantized
        self.goal = goals.of_gates(
            card.gates, floats.metrics.figures["mAP"] or 0.0,
            {verdict.gate: verdict.outcome for verdict in trial.verdicts_on_float(prepared, floats)},
            trial.class_drops(floats.metrics, quantized.metrics))
        self.split = splits.split(prepared.shards, calibration_shards(prepared.every_shard, card.calibration_images),
                                  plan.images)
        sizes: Dict[str, Sizes] = {}
        self.bench, self._whole, self._held = (
            Bench(prepared, shards, self.goal, clock, sizes)
            for shards in (self.split.search, prepared.shards, self.split.held_back))
        self.attempts: List[Attempt] = []
        self.proofs: List[Proof] = []
        self.unfinished: List[str] = []

    def lacking(self, attempt: Attempt) -> float:
        """By how much mAP an attempt misses what the gates ask for; 0 or less where it does not."""
        return self.bench.lacking(attempt)

    def go_on(self) -> None:
        """Stop here where there is no time left, or the user asked to.

        Raises:
            OutOfTimeError: The time of the plan is used up.
        """
        command_line.stop_if_asked()
        if not self.budget.allows(0.0):
            raise OutOfTimeError

    def measure(self, candidate: Candidate, spent: float = 0.0) -> Attempt:
        """Measure a candidate, and tell it.

        Args:
            candidate: What to measure.
            spent: Seconds that making it took.

        Raises:
            OutOfTimeError: There is no time for it.
        """
        command_line.stop_if_asked()
        known = [item for item in self.attempts if item.candidate == candidate]
        if known:
            return known[0]
        if not self.budget.allows(self.bench.seconds):
            raise OutOfTimeError
        found = self.bench.measure(candidate, spent)
        self.attempts.append(found)
        progress.say(f"repair: {line(found)}")
        return found

    def attempt(self, candidate: Candidate, spent: float = 0.0) -> Attempt:
        """Measure a candidate; one that passes is proved.

        Raises:
            RepairedError: It is a repair.
            OutOfTimeError: There is no time for it.
        """
        found = self.measure(candidate, spent)
        if found.error is None and self.lacking(found) <= 0:
            self.finish(found)
        return found

    def remedied(self, start: Attempt, remedy: str, name: str,
                 apply: Callable[[Prepared, ModelCard], weights.Remedied]) -> Optional[Attempt]:
        """What a remedy on weights makes of an attempt; None where the plan leaves it out, or it cannot be done.

        Args:
            start: The attempt.
            remedy: One of `words.REMEDIES`.
            name: The same in words.
            apply: What the remedy makes of the attempt's card, given the evaluation.

        Raises:
            RepairedError: It is a repair.
            OutOfTimeError: There is no time for it.
        """
        if remedy not in self.plan.remedies or start.error is not None:
            return None
        self.go_on()
        began = self.clock()
        candidate = stacked(start.candidate, name, remedy, start.candidate.card)
        progress.say(f"repair: {candidate.name} ...")
        try:
            made = apply(self.evaluation.prepared, start.candidate.card)
        except OutOfTimeError:
            self.unfinished.append(f"{candidate.name}: time ran out; what is finished of it is kept")
            raise
        except QuantAccuracyError as error:
            if attempts.of_the_machine(error):
                raise
            self.attempts.append(attempts.failed(candidate, error, self.clock() - began))
            progress.say(f"repair: {line(self.attempts[-1])}")
            return None
        if made.untreated:
            self.note(f"{name} of {weights.few(made.untreated)}")
        return self.attempt(replace(candidate, card=made.card), self.clock() - began)

    def note(self, line: str) -> None:
        """Say once what was not tried."""
        if line not in self.unfinished:
            self.unfinished.append(line)
            progress.say(f"repair: not tried: {line}")

    def finish(self, attempt: Attempt) -> None:
        """Prove what passed on a part of the images.

        Raises:
            RepairedError: It is a repair, and the plan asks for no more.
        """
        proof = self.prove(attempt)
        if proof.accepted and not self.plan.exhaustive:
            raise RepairedError

    def prove(self, attempt: Attempt) -> Proof:
        """Measure on all images what was measured on a part of them, and on those that the search has not seen.

        A repair passes every gate as a run of the suite would judge it, and the images that were held back do not
        contradict: their whole interval is not beyond what the gates allow.
        """
        known = [proof for proof in self.proofs if proof.whole.candidate == attempt.candidate]
        if known:
            return known[0]
        whole = self._whole.measure(attempt.candidate)
        held = self._held.measure(attempt.candidate) if self.split.held_back else None
        agrees = None if held is None else self._agrees(held)
        judged = self.goal.accepts(whole.gates, self.plan.strict)
        self.proofs.append(Proof(whole, held, agrees, whole.error is None and judged and agrees != FAIL))
        progress.say(f"repair: on all {whole.images} images: {line(whole)}")
        return self.proofs[-1]

    def _agrees(self, held: Attempt) -> str:
        if self.goal.allowed is None or held.interval is None:
            return INCONCLUSIVE
        if held.interval.high <= self.goal.allowed:
            return PASS
        return FAIL if held.interval.low > self.goal.allowed else INCONCLUSIVE


def drop(attempt: Attempt) -> float:
    """The drop of an attempt, to order them; one without any comes last."""
    return float("inf") if attempt.drop is None else attempt.drop


def line(attempt: Attempt) -> str:
    """An attempt in one line."""
    name = attempt.candidate.name
    if attempt.error is not None:
        return f"{name}: could not be measured: {attempt.error}"
    if attempt.mean_ap is None or attempt.drop is None:
        return f"{name}: no mAP, there is no ground truth on these images"
    interval = "" if attempt.interval is None else f" ({attempt.interval.low:.4f} .. {attempt.interval.high:.4f})"
    return f"{name}: mAP {attempt.mean_ap:.4f}, drop {attempt.drop:.4f}{interval}, {attempt.seconds:.0f} s"


def stacked(start: Candidate, name: str, remedy: str, card: ModelCard) -> Candidate:
    """A candidate with one more remedy, whose card says so already."""
    names = [start.name] if start.remedies else []
    return Candidate(" + ".join([*names, name]), tuple(dict.fromkeys((*start.remedies, remedy))), card)
