"""The stage of a search that gives more bits: to all, to learn where they are needed, and then to the fewest."""

from dataclasses import replace
from typing import Dict, List, Sequence, Tuple

from quant_accuracy.base.bisection import Measured
from quant_accuracy.base.words import MIXED_PRECISION, NETWORK
from quant_accuracy.pipeline import trial
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization.records import Quantizer
from quant_accuracy.repair import attempts, mixed_precision, settings
from quant_accuracy.repair.attempts import Attempt
from quant_accuracy.repair.mixed_precision import ACTIVATIONS, OPS, WEIGHTS, Choice
from quant_accuracy.repair.tries import Tries, drop, stacked
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.why import investigation

# Enough for an order.
_IMAGES = 4
# A set is made smaller by leaving out about so many parts of it, each once.
_PARTS = 12
# Of the time that is left.
_RANKING = 1 / 3
# So many are tried in any order.
_FEW = 2
_GAIN = 0.05


def find(tries: Tries, start: Attempt, kinds: Sequence[str] = (ACTIVATIONS, WEIGHTS)) -> None:
    """Look for the fewest quantizers that pass with more bits.

    Whichever kind of quantizers is enough with more bits for all of it is searched, the one that costs fewer bit
    operations if each is; where only both together are, whole ops are.

    Args:
        tries: Measures.
        start: What more bits are added to.
        kinds: Which quantizers may have them.

    Raises:
        RepairedError: There is a repair.
        OutOfTimeError: There is no time left.
    """
    changed = trial.with_card(tries.bench.prepared, start.candidate.card)
    quantizers = changed.artifacts.quantizers
    enough: List[Tuple[str, Attempt]] = []
    for kind in kinds:
        whole = _for_all(tries, start, changed, [kind])
        enough += [(kind, whole)] if tries.lacking(whole) <= 0 else []
    if not enough and len(kinds) > 1:
        whole = _for_all(tries, start, changed, kinds)
        enough += [(OPS, whole)] if tries.lacking(whole) <= 0 else []
    if not enough:
        tries.note(f"{start.candidate.name}: more bits for some {' and '.join(kinds)}, since not even "
                                "more for all of them are enough")
        return
    kind, whole = min(enough, key=lambda item: item[1].cost.bit_operations if item[1].cost else float("inf"))
    _fewest(tries, start, quantizers, _ranked(tries, changed, kind), kind)
    tries.finish(whole)


def find_exceptions(tries: Tries, start: Attempt) -> Attempt:
    """Look for the fewest to raise among those that the card gives fewer bits than all the others: the first suspects.

    Returns:
        With all of them raised, where that helps and is not enough: what other remedies can add to.

    Raises:
        RepairedError: There is a repair.
        OutOfTimeError: There is no time left.
    """
    changed = trial.with_card(tries.bench.prepared, start.candidate.card)
    usual, quantizers = changed.request.card.quantization, changed.artifacts.quantizers
    low = [quantizer.tensor for quantizer in quantizers
           if quantizer.enabled and quantizer.bitwidth < settings.usual_bits(quantizer, usual)]
    if not low:
        return start
    harm = _harm(tries, changed, low) if len(low) > _FEW else dict.fromkeys(low, 0.0)
    ranked = sorted((Choice(tensor, (tensor,), harm[tensor], 0.0) for tensor in low), key=lambda item: -item.harm)
    raised = _fewest(tries, start, quantizers, ranked, OPS)
    return min([start, *raised], key=drop)


def _fewest(tries: Tries, start: Attempt, quantizers: Sequence[Quantizer], ranked: Sequence[Choice],
            kind: str) -> List[Attempt]:
    """The fewest of some quantizers that pass with more bits, and then those sets that passed with more of them.

    Returns:
        What was measured with all of them raised; nothing where there was no time for it.
    """
    measured: Dict[Tuple[str, ...], Attempt] = {}

    def measure(tensors: Sequence[str]) -> "Measured[Attempt]":
        card = settings.with_bits(start.candidate.card, quantizers, tensors)
        before = tries.bench.seconds
        name = f"more bits for {len(tensors)} {_noun(kind, len(tensors))}"
        found = tries.measure(attempts.told_apart(stacked(start.candidate, name, MIXED_PRECISION, card),
                                                  tries.attempts))
        measured[tuple(tensors)] = found
        return Measured(found, tries.bench.seconds != before)

    found = mixed_precision.search(ranked, measure, tries.lacking, tries.budget,
                                   tries.bench.seconds, 0 if tries.plan.exhaustive else _PARTS)
    if not found.smallest and found.possible:
        tries.note(f"{start.candidate.name}: still fewer {_noun(kind, 2)} with more bits; time ran out")
    for item in sorted((item for item in found.trials if item.met), key=lambda item: len(item.chosen)):
        tries.finish(measured[item.chosen])
    return [attempt for chosen, attempt in measured.items() if len(chosen) == sum(len(item.tensors) for item in ranked)]


def weights_matter(tries: Tries, start: Attempt) -> bool:
    """Whether more bits for all weights gain more than a twentieth of what is lost: no rounding of them gains as much.

    Raises:
        OutOfTimeError: There is no time left.
    """
    whole = _for_all(tries, start, trial.with_card(tries.bench.prepared, start.candidate.card), [WEIGHTS])
    return drop(start) - drop(whole) > _GAIN * drop(start)


def _for_all(tries: Tries, start: Attempt, changed: Prepared, kinds: Sequence[str]) -> Attempt:
    card = settings.more_bits(start.candidate.card, changed.artifacts.quantizers, kinds)
    name = f"{_bits(card, kinds)} for all {' and '.join(kinds)}"
    return tries.measure(stacked(start.candidate, name, MIXED_PRECISION, card))


def _ranked(tries: Tries, changed: Prepared, kind: str) -> List[Choice]:
    """What may have more bits, the most harmful first; of weights the most harmful for their size."""
    artifacts = changed.artifacts
    able = mixed_precision.able(settings.below(artifacts.quantizers, changed.request.card.quantization), kind)
    harm = _harm(tries, changed, [quantizer.tensor for quantizer in able])
    return mixed_precision.choices(artifacts.graph(NETWORK), able, kind, harm, tries.bench.sizes(changed),
                                   by_price=kind == WEIGHTS)


def _harm(tries: Tries, changed: Prepared, tensors: Sequence[str]) -> Dict[str, float]:
    """How much the quantizers on some tensors harm, each by itself."""
    with investigation.of_evaluation(replace(tries.evaluation, prepared=changed), _IMAGES,
                                     tries.budget.part(_RANKING)) as asked:
        return asked.harm(tensors)


def _bits(card: ModelCard, kinds: Sequence[str]) -> str:
    found = {WEIGHTS: card.quantization.param_bitwidth, ACTIVATIONS: card.quantization.output_bitwidth}
    return " and ".join(str(bits) for bits in dict.fromkeys(found[kind] for kind in kinds)) + " bits"


def _noun(kind: str, count: int) -> str:
    noun = {WEIGHTS: "weight", ACTIVATIONS: "activation", OPS: "quantizer"}[kind]
    return noun if count == 1 else f"{noun}s"
