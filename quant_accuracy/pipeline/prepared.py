"""What is settled before an image is evaluated: data, artifacts, and what they are compared with."""

from dataclasses import dataclass, field
from typing import List, Mapping, Optional, Sequence

import numpy as np

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.stopwatch import Stopwatch
from quant_accuracy.base.words import NETWORK
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.run import Detected
from quant_accuracy.executors.contract import Retry
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging import checks, known_failures
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.checks import Committed, QuantizedNetwork
from quant_accuracy.judging.verdicts import Verdict
from quant_accuracy.pipeline import data_set as data_sets
from quant_accuracy.pipeline.data_set import DataSet
from quant_accuracy.quantization import aimet_onnx, effects, loading, snapshot
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE
from quant_accuracy.settings.request import Request


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before an image is evaluated.

    Attributes:
        request: What was asked for.
        artifacts: The graphs.
        shards: The shards to evaluate.
        digests: Of the shards' content, by shard number.
        every_shard: All shards of the data set that are there, evaluated or not, those too that the pattern leaves
            out.
        truth: The annotations.
        cache: Where finished shards are kept.
        watch: Measures the steps of this evaluation.
        retried: What had to be run again; grows while shards are run.
    """

    request: Request
    artifacts: Artifacts
    shards: Sequence[Shard]
    digests: Mapping[int, str]
    every_shard: Sequence[Shard]
    truth: Annotations
    cache: Cache
    watch: Stopwatch = field(default_factory=Stopwatch)
    retried: List[Retry] = field(default_factory=list)

    def whole(self) -> bool:
        """Whether all images of the data set are evaluated."""
        complete = self.request.card.part_of_annotations or shard_files.is_whole(self.every_shard)
        return complete and sum(s.records for s in self.shards) == sum(s.total for s in self.every_shard)

    def share(self) -> float:
        """Which share of the images of the data set is evaluated, at most 1."""
        total = sum(shard.total for shard in self.every_shard)
        if not (self.request.card.part_of_annotations or shard_files.is_whole(self.every_shard)):
            # The pattern leaves shards out, and only the annotations say how much is in them.
            total = max(total, len(self.truth.images))
        return sum(shard.records for shard in self.shards) / total

    def other_shards(self) -> int:
        """How many shards of the data set are not evaluated, as far as names tell."""
        sizes = [shard.set_size for shard in self.every_shard if shard.set_size is not None]
        return max([len(self.every_shard), *sizes]) - len(self.shards)

    def expected_images(self) -> List[int]:
        """The image ids that should be evaluated: all of the annotations, or those of the selected records.

        Raises:
            DataError: A record is damaged.
        """
        if self.whole() and not self.request.card.part_of_annotations:
            return list(self.truth.images)
        return [image for shard in self.shards for image in images.read_ids(shard)]

    def calibration_digest(self) -> str:
        """Which images calibrate: the first of the data set, whatever the names of its files."""
        leading = calibration_shards(self.every_shard, self.request.card.calibration_images)
        return files.digest_value([self.digests.get(shard.index) or files.digest_file(shard.path) for shard in leading])

    def calibration_images(self, count: int) -> List[np.ndarray]:
        """The first of the images that calibrate, as the network gets them: uint8 [1, height, width, 3] each.

        Raises:
            ConfigurationError: The data set has fewer.
            DataError: An image cannot be read.
        """
        card = self.request.card
        return images.read_images(calibration_shards(self.every_shard, count), count, card.height, card.width)

    def snapshot(self) -> List[Placed]:
        """The quantizers with their ranges."""
        return snapshot.take(self.artifacts.quantization)

    def committed_snapshot(self) -> Optional[List[Placed]]:
        """The quantizers of the baseline, with the ranges that they had; None where there is none.

        Raises:
            ConfigurationError: The file is damaged.
        """
        return baselines.read_quantizers(self.request.baseline, self.request.remake)

    def network(self) -> QuantizedNetwork:
        """The quantized network, with what the card expects of it."""
        card = self.request.card
        return QuantizedNetwork(self.artifacts.quantization, card.graph, card.assumptions)

    def baseline(self) -> Optional[Baseline]:
        """The committed figures; None where there are none.

        Raises:
            ConfigurationError: The file is damaged.
        """
        return baselines.read(self.request.baseline, self.request.remake)

    def checks(self, baseline: Optional[Baseline]) -> List[Verdict]:
        """What the checks of the quantized network say; that of the images is `coverage`.

        Args:
            baseline: The committed figures; None where there are none.

        Raises:
            ConfigurationError: The snapshot is damaged.
        """
        artifacts, network = self.artifacts, self.network()
        enabled = network.quantization.enabled()
        committed, now = self._committed(baseline), self.snapshot()
        limit = next((gate.limit for gate in self.request.card.gates if gate.name == ENCODINGS_DRIFT), None)
        verdicts = [
            checks.of_folding(artifacts.batch_norms, {item.batch_norm: item.reason for item in artifacts.not_folded}),
            *checks.of_placement(network),
            checks.of_snapshot(committed, now),
            checks.of_bitwidths(enabled, network),
            checks.of_encodings(enabled, network),
            checks.of_drift(checks.DRIFT_LIMIT if limit is None else limit, committed, now),
        ]
        # A snapshot that is missing is no known failure of the model.
        missing = (checks.SNAPSHOT, ENCODINGS_DRIFT) if committed.quantizers is None else ()
        return [verdict if verdict.gate in missing else self._with_known_failure(verdict) for verdict in verdicts]

    def _with_known_failure(self, verdict: Verdict) -> Verdict:
        return known_failures.apply(verdict, self.request.card.known_failures().get(verdict.gate))

    def coverage(self, detected: Mapping[str, Detected]) -> Verdict:
        """What the check says of the evaluated images.

        Raises:
            DataError: A record is damaged.
        """
        return self._with_known_failure(checks.of_coverage(self.expected_images(), {
            variant: [image for _, part in found.parts for image in part.image_ids.tolist()]
            for variant, found in detected.items()}))

    def notes(self) -> List[str]:
        """What is worth a line and no verdict: what was asked for and changes nothing, what could not be checked."""
        request, artifacts = self.request, self.artifacts
        return [*effects.without_effect(lambda: artifacts.graph(NETWORK), request.card.graph, request.card.quantization,
                                        request.changes),
                *loading.notes(request.card.quantization, artifacts.quantizers, lambda: artifacts.graph(NETWORK)),
                *aimet_onnx.notes(artifacts.quantsim_folder)]

    def _committed(self, baseline: Optional[Baseline]) -> Committed:
        """The snapshot; without any file of a baseline, only a card that compares with one misses it."""
        folder, how = self.request.baseline, self.request.remake
        required = any(gate.name in (*OF_BASELINE, ENCODINGS_DRIFT) for gate in self.request.card.gates)
        recalibrated = baseline is not None and baseline.calibration() not in (None, self.calibration_digest())
        return Committed(self.committed_snapshot(), required or folder.exists(),
                         baselines.remedy(how), recalibrated)


def prepare(request: Request, cache: Cache) -> Prepared:
    """Find data and checkpoint, and make the artifacts.

    Raises:
        QuantAccuracyError: Something is missing or damaged.
    """
    watch = Stopwatch()
    with watch.step("prepare"):
        data_set = data_sets.select(request)
        truth = annotation_files.load(request.data.annotations)
        card = build.settled(request.card)
        checkpoint = build.restore(card, request.data.checkpoint, cache, request.trusted, request.batch_size)
        artifacts = build.simulate(card, checkpoint, data_set.every, cache)
        return of_parts(request, cache, data_set, truth, artifacts, watch)


def of_parts(request: Request, cache: Cache, data_set: DataSet, truth: Annotations, artifacts: Artifacts,
             watch: Stopwatch) -> Prepared:
    """What `prepare` gives, from what its steps gave."""
    digests = {shard.index: files.digest_file(shard.path) for shard in data_set.evaluated}
    return Prepared(request, artifacts, data_set.evaluated, digests, data_set.every, truth, cache, watch)
