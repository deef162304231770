"""Ways to quantize a red model, each measured on the same images."""

import fnmatch
import itertools
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.budget import Clock
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import QuantAccuracyError, StorageError, WorkerError
from quant_accuracy.data.shards import Shard
from quant_accuracy.graph import sessions
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, OUTCOMES, PASS
from quant_accuracy.pipeline import trial
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.quantization.records import Quantizer
from quant_accuracy.repair import cost
from quant_accuracy.repair.cost import Cost, Sizes
from quant_accuracy.repair.goal import Goal
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.settings import device
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.gates import CLASS_DROP

# What is kept of an attempt.
_KEPT = {"images", "mean_ap", "drop", "interval", "gates", "seconds", "class_drops"}


@dataclass(frozen=True)
class Candidate:
    """A way to quantize the model.

    Attributes:
        name: What is done, in words: `equalization + bias correction`.
        remedies: Which remedies that are.
        card: The card that says it.
    """

    name: str
    remedies: Tuple[str, ...]
    card: ModelCard


@dataclass(frozen=True)
class Attempt:
    """A candidate, measured.

    Attributes:
        candidate: What was measured.
        images: On how many images.
        mean_ap: The quantized mAP; None without ground truth.
        drop: Float mAP - quantized mAP.
        interval: Where the drop lies on any such images; None where no interval is honest.
        gates: What each gate says, by name.
        cost: What its bit widths cost; None where it could not be measured.
        seconds: How long it took, without what it builds on.
        class_drops: The same as `drop` for the AP of each class.
        error: Why it could not be measured; then the rest is empty.
    """

    candidate: Candidate
    images: int
    mean_ap: Optional[float]
    drop: Optional[float]
    interval: Optional[Interval]
    gates: Mapping[str, str]
    cost: Optional[Cost]
    seconds: float
    class_drops: Mapping[str, float] = field(default_factory=dict)
    error: Optional[str] = None

    @property
    def outcome(self) -> str:
        """What all gates say together."""
        said = set(self.gates.values())
        return next((word for word in (FAIL, INCONCLUSIVE) if word in said), PASS if said else FAIL)


class Bench:
    """Measures candidates on some shards of an evaluation; what it measured is kept in the cache.

    Attributes:
        prepared: The evaluation of these shards.
        seconds: How long the last measurement took that was not kept; 0 before.

    Args:
        prepared: The evaluation of the red card.
        shards: On which of its shards.
        goal: What the gates ask for.
        clock: Gives the time in seconds.
        sizes: Those of networks that were measured, by the name of their folder; grows.
    """

    def __init__(self, prepared: Prepared, shards: Sequence[Shard], goal: Goal, clock: Clock,
                 sizes: Dict[str, Sizes]) -> None:
        self.prepared = trial.part(prepared, shards)
        self.seconds = 0.0
        self._goal, self._clock = goal, clock
        self._floats: Optional[Variant] = None
        self._sizes = sizes

    def measure(self, candidate: Candidate, spent: float = 0.0) -> Attempt:
        """Measure a candidate; one that cannot be quantized so is an attempt with an error.

        Args:
            candidate: What to measure.
            spent: Seconds that making it took.

        Raises:
            QuantAccuracyError: What is of the machine, see `of_the_machine`.
        """
        start = self._clock()
        try:
            require_device(candidate.card, self.prepared.request.card)
            changed = trial.with_card(self.prepared, candidate.card)
            figures = self._kept(changed)
            if figures is None:
                figures = self._measured(changed)
                self.seconds = self._clock() - start
                figures["seconds"] = spent + self.seconds
                files.write_json(self._path(changed), figures)
            return Attempt(candidate, **{**figures, "interval": figures["interval"] and Interval(*figures["interval"])},
                           cost=cost.of(self.sizes(changed), self._counted(changed)))
        except QuantAccuracyError as error:
            if of_the_machine(error):
                raise
            return failed(candidate, error, spent + self._clock() - start)

    def lacking(self, attempt: Attempt) -> float:
        """By how much mAP all of an attempt's interval misses what the gates ask for; 0 or less where it does not.

        Gates that say nothing of that, since a part of the images is seldom sure of them, count only where they fail;
        classes that the red card loses too much of have to lose no more than they may.
        """
        if attempt.drop is None:
            return float("inf")
        high = attempt.drop if attempt.interval is None else attempt.interval.high
        missing = min(0.0, high) if self._goal.allowed is None else high - self._goal.allowed
        fails = any(attempt.gates.get(gate) == FAIL for gate in (CLASS_DROP, *self._goal.unsure))
        missing = max([missing, *(attempt.class_drops[name] - limit for name, limit in self._goal.classes.items()
                                  if name in attempt.class_drops)])
        return max(missing, attempt.drop, 1e-6) if fails else missing

    def _measured(self, changed: Prepared) -> Dict[str, Any]:
        if self._floats is None:
            self._floats = trial.float_variant(self.prepared)
        found = trial.measure(changed, self._floats)
        return {"images": found.images, "mean_ap": found.mean_ap, "drop": found.drop, "interval": found.interval,
                "gates": {verdict.gate: verdict.outcome for verdict in found.verdicts},
                "class_drops": dict(found.class_drops)}

    def _path(self, changed: Prepared) -> Any:
        request, artifacts = changed.request, changed.artifacts
        return changed.cache.path("repair/attempts", {
            "float": artifacts.float_folder.name, "quantsim": artifacts.quantsim_folder.name,
            "shards": [[self.prepared.digests[shard.index], shard.records] for shard in self.prepared.shards],
            "truth": changed.truth.digest(), "share": changed.share(), "whole": changed.whole(),
            "gates": [asdict(gate) for gate in request.card.gates], "batch_size": request.batch_size,
            "code": code_digest("runtimes", "data", "detection", "scoring", "judging", "pipeline", "repair"),
            "tensorflow": sessions.version()}, ".json")

    def _kept(self, changed: Prepared) -> Optional[Dict[str, Any]]:
        path = self._path(changed)
        try:
            kept: Dict[str, Any] = read_json(path)
            # Missing, or damaged: both are made again.
            return kept if is_whole(kept) else None
        except (OSError, ValueError):
            return None

    def sizes(self, changed: Prepared) -> Sizes:
        """The sizes of the network of a changed card, each network measured once.

        Raises:
            QuantAccuracyError: TensorFlow fails on the network, or an image cannot be read.
        """
        artifacts = changed.artifacts
        folder = (artifacts.network_folder or artifacts.float_folder).name
        if folder not in self._sizes:
            self._sizes[folder] = cost.measure(
                trial.network_of(changed), self._counted(changed), changed.request.card.graph.image_input,
                changed.calibration_images(1)[0])
        return self._sizes[folder]

    def _counted(self, changed: Prepared) -> List[Quantizer]:
        """The quantizers that count: what a remedy has switched off is computed together with the op behind it."""
        before = set(self.prepared.request.card.quantization.overrides)
        joined = [override.tensors for override in changed.request.card.quantization.overrides
                  if override.enabled is False and override not in before]
        return [quantizer for quantizer in changed.artifacts.quantizers
                if not any(fnmatch.fnmatchcase(quantizer.tensor, pattern) for pattern in joined)]


def is_whole(kept: Any) -> bool:
    """Whether what was kept of an attempt is what `Bench.measure` keeps."""
    def number(value: Any) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    if not isinstance(kept, dict) or set(kept) != _KEPT:
        return False
    ends, gates = kept["interval"], kept["gates"]
    return (number(kept["images"]) and number(kept["seconds"])
            and all(kept[key] is None or number(kept[key]) for key in ("mean_ap", "drop"))
            and (ends is None or (isinstance(ends, list) and len(ends) == 2 and all(map(number, ends))))
            and isinstance(gates, dict) and all(said in OUTCOMES for said in gates.values())
            and isinstance(kept["class_drops"], dict) and all(map(number, kept["class_drops"].values())))


def require_device(card: ModelCard, red: ModelCard) -> None:
    """Refuse what the device of the red card cannot express: it is not measured here, and the repair has to run there.

    Raises:
        ConfigurationError: It is refused; the message names the setting.
    """
    device.require(replace(card, device=red.device))


def told_apart(candidate: Candidate, others: Sequence[Attempt]) -> Candidate:
    """A candidate under a name that no other one has: `more bits for 3 weights (set 2)` is another set of as many."""
    known = {other.candidate.name: other.candidate.card for other in others}
    names = (candidate.name if number == 1 else f"{candidate.name} (set {number})" for number in itertools.count(1))
    return replace(candidate, name=next(name for name in names if known.get(name, candidate.card) == candidate.card))


def of_the_machine(error: QuantAccuracyError) -> bool:
    """Whether no other candidate would fare better: a disk that is full, workers that are lost."""
    return isinstance(error, WorkerError) or (isinstance(error, StorageError) and isinstance(error.__cause__, OSError))


def failed(candidate: Candidate, error: QuantAccuracyError, seconds: float) -> Attempt:
    """An attempt that could not be measured."""
    return Attempt(candidate, 0, None, None, None, {}, None, seconds, error=str(error))


def on_front(attempts: Sequence[Attempt]) -> List[bool]:
    """Which attempts no other one beats: none is as accurate for fewer bit operations, or more accurate for as many."""
    points = [(attempt.mean_ap, attempt.cost.bit_operations) if attempt.mean_ap is not None and attempt.cost else None
              for attempt in attempts]
    known = [point for point in points if point is not None]
    return [point is not None and not any(other != point and other[0] >= point[0] and other[1] <= point[1]
                                          for other in known) for point in points]


def without_device(card: ModelCard) -> ModelCard:
    """The card that the search measures: the integer model of each candidate would cost more than it tells."""
    return replace(card, device=None)
