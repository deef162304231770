"""The search for a repair: remedies from cheap to dear, alone and stacked, until one passes.

Everything is measured on the same shards, and stays in the cache, so that a second call goes on. What passes there with
all of its interval is measured on all shards, and once more on those that the search has not seen: the best of many
tries is the best by luck, too.
"""

import time
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from quant_accuracy.base import progress
from quant_accuracy.base.bisection import OutOfTimeError
from quant_accuracy.base.budget import Clock
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.base.words import ADAROUND, BIAS_CORRECTION, EQUALIZATION, MIXED_PRECISION
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.repair import attempts, bits, settings, weights
from quant_accuracy.repair.attempts import Attempt, Candidate
from quant_accuracy.repair.goal import Goal
from quant_accuracy.repair.mixed_precision import ACTIVATIONS, WEIGHTS
from quant_accuracy.repair.plan import EXHAUSTED, FOUND, INTERRUPTED, TIME, Plan
from quant_accuracy.repair.split import Split
from quant_accuracy.repair.tries import Proof, RepairedError, Tries, drop, stacked
from quant_accuracy.settings.card import ModelCard

# So many settings are tried on top of the best one.
_STACKED = 2


@dataclass(frozen=True)
class Outcome:
    """What a search has found out.

    Attributes:
        before: The red card, on the images of the search.
        attempts: Everything else that was measured there, in this order.
        proofs: Those of them that were measured on all images.
        chosen: The proof of the repair, or of what comes closest to one, which an interrupted search has not measured
            on all images; None where nothing is better than the red card.
        ended: `found`, `time`, `interrupted` or `exhausted`.
        split: On which shards.
        goal: What the gates ask for.
        seconds: How long it took.
        unfinished: What was not tried to its end, and why.
    """

    before: Attempt
    attempts: Sequence[Attempt]
    proofs: Sequence[Proof]
    chosen: Optional[Proof]
    ended: str
    split: Split
    goal: Goal
    seconds: float
    unfinished: Sequence[str]

    @property
    def repaired(self) -> bool:
        """Whether there is a repair."""
        return self.chosen is not None and self.chosen.accepted


def search(evaluation: Evaluation, plan: Plan, clock: Clock = time.monotonic) -> Outcome:
    """Search for a repair of an evaluated card.

    Args:
        evaluation: The evaluation of the red card.
        plan: What may be tried.
        clock: Gives the time in seconds.

    Raises:
        QuantAccuracyError: The red card itself could not be measured.
    """
    start = clock()
    with progress.stage("repair: the card as it is"):
        tries = Tries(evaluation, plan, clock)
        card = attempts.without_device(evaluation.request.card)
        before = tries.bench.measure(Candidate("as it is", (), card))
    if before.error is not None:
        raise QuantAccuracyError(before.error)
    ended = EXHAUSTED
    try:
        if not tries.goal.out_of_reach(plan.strict):
            _try_all(tries, before)
    except RepairedError:
        ended = FOUND
    except OutOfTimeError:
        ended = TIME
    except KeyboardInterrupt:
        ended = INTERRUPTED
    accepted = [proof for proof in tries.proofs if proof.accepted]
    chosen = min(accepted, key=_price) if accepted else None
    if chosen is None:
        try:
            chosen = _closest(tries, before, proved=ended != INTERRUPTED)
        except KeyboardInterrupt:
            ended, chosen = INTERRUPTED, _closest(tries, before, proved=False)
    return Outcome(before, tries.attempts, tries.proofs, chosen, ended, tries.split, tries.goal, clock() - start,
                   tries.unfinished)


def _price(proof: Proof) -> Tuple[float, float]:
    """Bit operations first, then the drop."""
    return proof.whole.cost.bit_operations if proof.whole.cost else float("inf"), drop(proof.whole)


def _closest(tries: Tries, before: Attempt, proved: bool) -> Optional[Proof]:
    """What comes closest to the gates; None where nothing is better than the red card."""
    best = min([before, *tries.attempts], key=drop)
    if best is before:
        return None
    return tries.prove(best) if proved else Proof(best, None, None, False)


def _try_all(tries: Tries, before: Attempt) -> None:
    start = _raised(tries, before) if MIXED_PRECISION in tries.plan.remedies else before
    best = _try_settings(tries, start)
    same_bits = [start, *([] if best is start else [best])]
    for item in list(same_bits):
        same_bits += _try_weights(tries, item)
    rounded = _try_rounding(tries, same_bits) if ADAROUND in tries.plan.remedies else None
    if MIXED_PRECISION in tries.plan.remedies:
        if rounded is not None:
            # Its weights are on their grid; what is left are activations.
            _more_bits(tries, rounded, [ACTIVATIONS])
        _more_bits(tries, min(same_bits, key=drop), [ACTIVATIONS, WEIGHTS])


def _raised(tries: Tries, before: Attempt) -> Attempt:
    """With the exceptions of the card raised, where that helps."""
    try:
        return bits.find_exceptions(tries, before)
    except QuantAccuracyError as error:
        _pass_over(tries, "more bits for what has fewer than the others", error)
        return before


def _more_bits(tries: Tries, start: Attempt, kinds: Sequence[str]) -> None:
    """More bits for the fewest of some kinds of quantizers."""
    try:
        bits.find(tries, start, kinds)
    except QuantAccuracyError as error:
        _pass_over(tries, f"{start.candidate.name}: more bits for some {' and '.join(kinds)}", error)


def _pass_over(tries: Tries, what: str, error: QuantAccuracyError) -> None:
    """Go on without what cannot be searched, unless nothing else would fare better; what was found before stands."""
    if attempts.of_the_machine(error):
        raise error
    tries.note(f"{what}: {error}")


def _try_settings(tries: Tries, before: Attempt) -> Attempt:
    """Each setting alone, and then the best of them together; gives the best."""
    images, wanted = sum(shard.total for shard in tries.evaluation.prepared.every_shard), tries.plan.remedies
    found = {item.name: tries.attempt(stacked(before.candidate, item.name, item.remedy, item.card))
             for item in settings.of_card(before.candidate.card, images) if item.remedy in wanted}
    better = sorted((name for name, attempt in found.items() if drop(attempt) < drop(before)),
                    key=lambda name: drop(found[name]))
    best = found[better[0]] if better else before
    for other in better[1:1 + _STACKED]:
        for item in settings.of_card(best.candidate.card, images):
            if item.name == other and item.remedy not in best.candidate.remedies:
                together = tries.attempt(stacked(best.candidate, item.name, item.remedy, item.card))
                best = min(best, together, key=drop)
                break
    return best


def _try_weights(tries: Tries, start: Attempt) -> List[Attempt]:
    """Equalization and bias correction, alone and together; gives what was measured."""
    relu6 = tries.plan.relu6
    equalized = tries.remedied(start, EQUALIZATION, weights.EQUALIZED[relu6],
                               lambda prepared, card: weights.equalized(prepared, card, relu6))
    corrected = [tries.remedied(of, BIAS_CORRECTION, "bias correction", weights.corrected)
                 for of in (start, equalized) if of is not None]
    return [item for item in (equalized, *corrected) if item is not None]


def _try_rounding(tries: Tries, same_bits: Sequence[Attempt]) -> Optional[Attempt]:
    """AdaRound on the best that has no other biases, then other biases; gives the better of both, None without any."""
    start = min((item for item in same_bits if BIAS_CORRECTION not in item.candidate.remedies), key=drop)
    if MIXED_PRECISION in tries.plan.remedies and not bits.weights_matter(tries, start):
        tries.unfinished.append("AdaRound: not tried, since not even more bits for all weights gain anything")
        return None
    reference = start.candidate.card

    def round_weights(prepared: Prepared, card: ModelCard) -> weights.Remedied:
        return weights.rounded(prepared, card, go_on=tries.go_on)

    rounded = tries.remedied(start, ADAROUND, "AdaRound", round_weights)
    if rounded is None:
        return None
    other = tries.remedied(rounded, BIAS_CORRECTION, "bias correction",
                           lambda prepared, card: weights.corrected(prepared, card, reference))
    return rounded if other is None else min(rounded, other, key=drop)

