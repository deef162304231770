"""What the search for culprits asks of an evaluation: noise at the outputs, and real figures of other settings.

Everything is kept in the cache: the same question again, or one with a larger budget, is not measured twice.
"""

import contextlib
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from quant_accuracy.base import concurrency, progress
from quant_accuracy.base.bisection import Measured
from quant_accuracy.base.budget import Budget
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.words import NETWORK, QUANTIZED
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline import variations
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.quantization import aimet, owners
from quant_accuracy.quantization.records import AUTO, BUILTIN, Override
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.why import culprits, noise, sensitivity
from quant_accuracy.why import families as family_kinds
from quant_accuracy.why.culprits import Culprits, Ways
from quant_accuracy.why.families import Family
from quant_accuracy.why.goal import Goal
from quant_accuracy.why.noise import Listener, QuantizedGraph
from quant_accuracy.why.sensitivity import NoiseFile, Sensitivities, Together

# Quantizers with fewer bits can be given so many instead of being switched off.
BITS = 8
_FAMILY_IMAGES = 4
# Steps of the stopwatch.
_RANKING, _SEARCH = "why: each quantizer", "why: culprits"


class Loudness(NamedTuple):
    """A family, and what its quantizers do to the network's outputs together."""

    family: Family
    together: Together


@contextlib.contextmanager
def of_evaluation(evaluation: Evaluation, most_images: int, budget: Budget) -> "Iterator[Investigation]":
    """An investigation, whose session ends with the block."""
    artifacts = evaluation.artifacts
    network = QuantizedGraph(artifacts.graph(NETWORK), evaluation.request.card.graph, artifacts.quantization)
    with noise.listening(network) as listener:
        yield Investigation(evaluation, listener, most_images, budget)


class Investigation:
    """Measures quantizers of an evaluated model, until a budget is used up.

    Attributes:
        budget: Until when.
        families: The families of the quantizers that are on.
        sensitivities: What each of them does, as soon as that was asked for.
        loudness: What families do, the most harmful first, as soon as that was asked for.

    Args:
        evaluation: The evaluation.
        listener: Measures noise at the outputs of its network.
        most_images: On how many calibration images each quantizer is measured, at most.
        budget: Until when.
    """

    def __init__(self, evaluation: Evaluation, listener: Listener, most_images: int, budget: Budget) -> None:
        card = evaluation.request.card
        self._evaluation, self._listener, self._network, self.budget = evaluation, listener, listener.network, budget
        self._most = min(most_images, card.calibration_images)
        count = min(max(self._most, _FAMILY_IMAGES), card.calibration_images)
        self._pictures = evaluation.prepared.calibration_images(count)
        layers = owners.of_quantizers(self._network.graph, self._network.measured())
        self.families: List[Family] = family_kinds.of_quantizers(
            self._network.measured(), [layers[quantizer.tensor].op for quantizer in self._network.measured()])
        self.sensitivities = Sensitivities([], card.graph.output_ops, None, 0, self._most, False)
        self.loudness: List[Loudness] = []

    def rank(self, budget: Budget) -> List[str]:
        """The tensors of all quantizers, most harmful first."""
        with self._measuring(_RANKING):
            self.sensitivities = sensitivity.measure(self._listener, self._pictures[:self._most], self._noise_file({}),
                                                     budget)
        return [item.tensor for item in self.sensitivities.quantizers]

    def blame(self, budget: Budget) -> Dict[str, float]:
        """How much harm each family does, by name."""
        tensors = [family.tensors for family in self.families]
        with self._measuring(_RANKING):
            found = sensitivity.of_groups(self._listener, tensors, self._pictures[:_FAMILY_IMAGES],
                                          self._noise_file({"groups": tensors}), budget)
        self.loudness = sorted((Loudness(family, together) for family, together in zip(self.families, found)),
                               key=lambda item: -item.together.blame)
        return {item.family.name: item.together.blame for item in self.loudness}

    def harm(self, tensors: Sequence[str]) -> Dict[str, float]:
        """How much harm the quantizers on some tensors do, each by itself."""
        groups = [[tensor] for tensor in tensors]
        with self._measuring(_RANKING):
            found = sensitivity.of_groups(self._listener, groups, self._pictures[:self._most],
                                          self._noise_file({"groups": groups}), self.budget)
        return {tensor: together.blame for tensor, together in zip(tensors, found)}

    def culprits(self, goal: Goal) -> Culprits:
        """The smallest set of quantizers without which a goal is met, which all of them off meet."""
        low = [quantizer.tensor for quantizer in self._network.measured() if quantizer.bitwidth < BITS]
        runs = noise.runs(noise.singles(self._network))
        ways = Ways(lambda off: self._without(off, goal),
                    (lambda tensors, off: self._raised(tensors, off, goal)) if self._can_be_raised() else None,
                    goal.lacking, self.blame, self.rank, lambda: self._listener.seconds * runs, self._cost())
        return culprits.find(self.families, low, ways, self.budget)

    def spent(self) -> Dict[str, float]:
        """Seconds for ranking and for the search."""
        seconds = self._evaluation.prepared.watch.seconds()
        return {"ranking": seconds.get(_RANKING, 0.0), "search": seconds.get(_SEARCH, 0.0)}

    def _without(self, off: Sequence[str], goal: Goal) -> Measured[Metrics]:
        with self._evaluation.prepared.watch.step(_SEARCH):
            variant = variations.measure_without(self._evaluation.prepared, off)
        self._note(f"without {family_kinds.describe(off, self.families)}", variant.metrics, goal)
        return Measured(variant.metrics, variant.speed is not None)

    def _raised(self, low: Sequence[str], off: Sequence[str], goal: Goal) -> Metrics:
        """What a card would give that has `BITS` bits for some quantizers and none for others."""
        overrides = [*(Override(tensor, bitwidth=BITS) for tensor in low),
                     *(Override(tensor, enabled=False) for tensor in off)]
        with self._evaluation.prepared.watch.step(_SEARCH):
            metrics = variations.measure_overridden(self._evaluation.prepared, overrides).metrics
        self._note(f"with {BITS} bits for {family_kinds.describe(low, self.families)}", metrics, goal)
        return metrics

    def _can_be_raised(self) -> bool:
        """Whether encodings are made here, so that others can be made."""
        settings = self._evaluation.request.card.quantization
        builtin = settings.backend == BUILTIN or (settings.backend == AUTO and not aimet.usable())
        return builtin and settings.encodings_file is None

    def _cost(self) -> float:
        """Seconds that an evaluation of the quantized variant takes; 0 where none was run now."""
        speed = self._evaluation.variants[QUANTIZED].speed
        records = sum(shard.records for shard in self._evaluation.shards)
        return 0.0 if speed is None or not speed.images else speed.seconds * records / speed.images

    def _note(self, what: str, metrics: Metrics, goal: Goal) -> None:
        figure = metrics.figures["mAP"]
        progress.note(f"why: {what} the quantized mAP is {'unknown' if figure is None else f'{figure:.4f}'}, "
                      f"target: {goal}")

    @contextlib.contextmanager
    def _measuring(self, step: str) -> Iterator[None]:
        """One process measures noise, others wait and find what it has kept."""
        prepared = self._evaluation.prepared
        with self._evaluation.prepared.watch.step(step), \
                prepared.cache.hold(f"sensitivity-{self._evaluation.artifacts.quantsim_folder.name}"), \
                concurrency.limited_to(prepared.request.threads):
            yield

    def _noise_file(self, more: Dict[str, Any]) -> NoiseFile:
        inputs = {"quantsim": self._evaluation.artifacts.quantsim_folder.name, "tensorflow": sessions.version(),
                  "code": code_digest("graph", "quantization", "why"), **more}
        cache = self._evaluation.prepared.cache
        return lambda index: cache.path("sensitivity", {**inputs, "image": index}, ".npz")
