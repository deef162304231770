"""Detect shard by shard: every image is decoded once for all variants, every finished shard is handed over at once."""

import time
from typing import Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from quant_accuracy import progress, sessions
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import store
from quant_accuracy.detection.detector import Detector
from quant_accuracy.detection.nms import Detections
from quant_accuracy.errors import DataError


class Work(NamedTuple):
    """A shard and the variants that have not seen it yet."""

    shard: Shard
    variants: Sequence[str]


class Speed(NamedTuple):
    """How long detection took.

    Attributes:
        images: Images that were run.
        seconds: Time that a variant had all cores for, in effect: its busy time over all threads, divided by the cores.
    """

    images: int
    seconds: float


class _BatchResult(NamedTuple):
    batch: images.Batch
    detections: Mapping[str, List[Detections]]
    seconds: Mapping[str, float]


class _Open(NamedTuple):
    """A shard under way."""

    batches: List[images.Batch]
    detections: Dict[str, List[Detections]]


def detect(work: Sequence[Work], detectors: Mapping[str, Detector], batch_size: int, size: Tuple[int, int],
           finished: Callable[[str, Shard, store.ShardDetections], None]) -> Dict[str, Speed]:
    """Run each shard through the variants that need it, and hand over each shard when it is whole.

    Args:
        work: The shards, in order, and their variants.
        detectors: The detector of each variant.
        batch_size: Images per batch; no batch spans two shards.
        size: Height and width that the network takes.
        finished: Called in this thread with variant, shard and detections.

    Returns:
        The speed of each variant.

    Raises:
        DataError: A record is damaged; the shards before it have been handed over.
    """
    shards = [item.shard for item in work]
    busy: Dict[str, float] = dict.fromkeys(detectors, 0.0)
    seen: Dict[str, int] = dict.fromkeys(detectors, 0)
    # An empty shard has no batch that would open it.
    open_shards = {position: _Open([], {name: [] for name in item.variants}) for position, item in enumerate(work)}
    for position, item in enumerate(work):
        if item.shard.records == 0:
            _hand_over(item, open_shards.pop(position), finished)

    def run(batch: images.Batch) -> _BatchResult:
        found, seconds = {}, {}
        for name in work[batch.shard].variants:
            start = time.perf_counter()
            found[name] = detectors[name](batch.images)
            seconds[name] = time.perf_counter() - start
        return _BatchResult(batch, found, seconds)

    total = sum(shard.records for shard in shards)
    with progress.counter(total=total, unit="images", label="detecting") as counter:
        for result in sessions.run_concurrently(run, images.stream(shards, batch_size, *size)):
            position = result.batch.shard
            under_way = open_shards[position]
            under_way.batches.append(result.batch._replace(images=None))
            for name, detections in result.detections.items():
                under_way.detections[name] += detections
                busy[name] += result.seconds[name]
                seen[name] += len(detections)
            counter.update(len(result.batch.image_ids))
            if sum(len(batch.image_ids) for batch in under_way.batches) == shards[position].records:
                _hand_over(work[position], open_shards.pop(position), finished)
    for position in open_shards:
        raise DataError(f"{shards[position].path}: ended before its {shards[position].records} records were read; "
                        "it changed while it was read, start again")
    return {name: Speed(seen[name], busy[name] / sessions.cores()) for name in detectors}


def _hand_over(item: Work, whole: _Open, finished: Callable[[str, Shard, store.ShardDetections], None]) -> None:
    for name in item.variants:
        finished(name, item.shard, store.gather([batch.image_ids for batch in whole.batches],
                                                [batch.sizes for batch in whole.batches], whole.detections[name]))
