"""Another way to quantize an evaluated model, measured against the same float variant on the same images."""

from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Optional, Sequence

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT, NETWORK, QUANTIZED
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection.run import Run
from quant_accuracy.graph.network import Network
from quant_accuracy.judging import gates
from quant_accuracy.judging.verdicts import Figures, Verdict
from quant_accuracy.pipeline import certainty, inference
from quant_accuracy.pipeline import variant as variants
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.scoring import bootstrap, coco
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import Metrics
from quant_accuracy.scoring.partial import ClassImages, PartialAps
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.gates import OF_QUANTIZATION


@dataclass(frozen=True)
class Trial:
    """What a way to quantize gives on some images.

    Attributes:
        images: How many they are.
        mean_ap: The quantized mAP.
        drop: Float mAP - quantized mAP.
        interval: Where the drop lies on any such images, 95 % confidence; None where no interval is honest.
        verdicts: What those of `OF_QUANTIZATION` say that the card has.
        class_drops: The same as `drop` for the AP of each class that these images show.
    """

    images: int
    mean_ap: Optional[float]
    drop: Optional[float]
    interval: Optional[Interval]
    verdicts: Sequence[Verdict]
    class_drops: Mapping[str, float]


def part(prepared: Prepared, shards: Sequence[Shard]) -> Prepared:
    """An evaluation of some of its shards."""
    return replace(prepared, shards=list(shards),
                   digests={shard.index: prepared.digests[shard.index] for shard in shards})


def with_card(prepared: Prepared, card: ModelCard) -> Prepared:
    """The same evaluation of a changed card: placed, calibrated and simulated anew, or taken from the cache.

    Raises:
        QuantAccuracyError: The card cannot be quantized so.
    """
    request = prepared.request
    artifacts: Artifacts = build.build(card, request.data.checkpoint, prepared.every_shard, prepared.cache,
                                       request.trusted, request.batch_size)
    return replace(prepared, request=replace(request, card=card), artifacts=artifacts)


def network_of(prepared: Prepared) -> Network:
    """The float network that is quantized, batch norms folded."""
    return Network.of(prepared.artifacts.graph(NETWORK), prepared.request.card.graph)


def float_variant(prepared: Prepared) -> Variant:
    """What its float variant finds; of a finished evaluation nothing is run again."""
    run = Run(FLOAT)
    return variants.score(prepared, inference.detect(prepared, [run])[run])


def measure(prepared: Prepared, floats: Variant) -> Trial:
    """Measure the quantized variant of an evaluation.

    Args:
        prepared: The evaluation, see `with_card` and `part`.
        floats: The float variant on its images.

    Raises:
        QuantAccuracyError: Something could not be measured; finished shards stay in the cache.
    """
    run = Run(QUANTIZED)
    found = variants.score(prepared, inference.detect(prepared, [run])[run])
    both = {FLOAT: floats, QUANTIZED: found}
    mean_ap, of_float = found.metrics.figures["mAP"], floats.metrics.figures["mAP"]
    drop = None if mean_ap is None or of_float is None else of_float - mean_ap
    verdicts = [] if drop is None else _verdicts(prepared, both)
    return Trial(len(found.matches.image_ids), mean_ap, drop, _interval(prepared, both), verdicts,
                 class_drops(floats.metrics, found.metrics))


def class_drops(floats: Metrics, quantized: Metrics) -> Dict[str, float]:
    """Float AP - quantized AP of each class that has both."""
    aps = {name: (ap, quantized.per_class.get(name)) for name, ap in floats.per_class.items()}
    return {name: before - after for name, (before, after) in aps.items() if before is not None and after is not None}


def verdicts_on_float(prepared: Prepared, floats: Variant) -> List[Verdict]:
    """What the gates on the quantized variant say of the float one in its place: the best that they can say of any.

    Args:
        prepared: The evaluation.
        floats: The float variant on its images, with ground truth.
    """
    return _verdicts(prepared, {FLOAT: floats, QUANTIZED: floats})


def _verdicts(prepared: Prepared, both: Mapping[str, Variant]) -> List[Verdict]:
    aps = certainty.resampled(prepared, both)
    classes, of_part = certainty.of_variants(prepared, both, aps)
    card = prepared.request.card
    figures = Figures(both[FLOAT].metrics, both[QUANTIZED].metrics, classes, of_part, None, None, None, {},
                      prepared.request.remake)
    return gates.judge([replace(gate, known_failure=None) for gate in card.gates if gate.name in OF_QUANTIZATION],
                       figures)


def _interval(prepared: Prepared, both: Mapping[str, Variant]) -> Optional[Interval]:
    """Of the drop; these images are a sample here, even if they are all of the data set."""
    matches = [both[name].matches for name in (FLOAT, QUANTIZED)]
    weights = bootstrap.draw(len(matches[0].image_ids))
    values = [bootstrap.class_aps(side, weights[:1] * 0 + 1)[0] for side in matches]
    samples = [bootstrap.class_aps(side, weights) for side in matches]
    images = ClassImages(matches[0].class_images(), certainty.class_images(prepared, matches[0])[:, coco.ALL.area])
    return PartialAps(values[0], values[1], samples[0], samples[1], images).drop()
