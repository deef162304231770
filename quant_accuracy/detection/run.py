"""Detect shard by shard: every image is decoded once for all runs, every finished shard is handed over at once."""

import time
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from quant_accuracy.base import concurrency, progress
from quant_accuracy.base.errors import DataError, GraphError
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import store
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.store import ShardDetections

# Images that a message names.
_SHOWN = 4


class Run(NamedTuple):
    """A way to run an image.

    Attributes:
        variant: `float` or `quantized`.
        scale: The factor by which the network's input is scaled before.
        disabled: Tensors whose quantizers are switched off, sorted.
    """

    variant: str
    scale: float = 1.0
    disabled: Tuple[str, ...] = ()


class Work(NamedTuple):
    """A shard and the runs that have not seen it yet."""

    shard: Shard
    runs: Sequence[Run]


class Speed(NamedTuple):
    """How long detection took.

    Attributes:
        images: Images that were run.
        seconds: Time that the run had all cores for, in effect: its busy time over all threads, divided by the cores.
    """

    images: int
    seconds: float

    def plus(self, other: "Speed") -> "Speed":
        """Both one after the other."""
        return Speed(self.images + other.images, self.seconds + other.seconds)


class Detected(NamedTuple):
    """The detections of a run.

    Attributes:
        parts: Each shard with its detections.
        speed: Of the images that were run now; None when none were.
    """

    parts: Sequence[Tuple[Shard, ShardDetections]]
    speed: Optional[Speed]


class _BatchResult(NamedTuple):
    batch: images.Batch
    detections: Mapping[Run, List[Detections]]
    seconds: Mapping[Run, float]


class _Open(NamedTuple):
    """A shard under way."""

    batches: List[images.Batch]
    detections: Dict[Run, List[Detections]]

    def add(self, result: _BatchResult) -> None:
        """Take over a batch, without its images."""
        self.batches.append(result.batch._replace(images=None))
        for run, detections in result.detections.items():
            self.detections[run] += detections

    def images(self) -> int:
        """How many of its images are done."""
        return sum(len(batch.image_ids) for batch in self.batches)

    def whole(self) -> Dict[Run, ShardDetections]:
        """The detections of each run."""
        ids, sizes = [batch.image_ids for batch in self.batches], [batch.sizes for batch in self.batches]
        return {run: store.gather(ids, sizes, found) for run, found in self.detections.items()}


# From uint8 [n, height, width, 3] images to the detections of each in a run.
Detector = Callable[[np.ndarray, Run], List[Detections]]
Finished = Callable[[Work, Mapping[Run, ShardDetections]], None]


def detect(work: Iterable[Work], detectors: Mapping[str, Detector], batch_size: int, size: Tuple[int, int],
           finished: Finished, total: Optional[int] = None) -> Dict[Run, Speed]:
    """Run each shard as its work says, and hand over each shard when it is whole.

    Args:
        work: The shards and their runs; the next one is asked for when it is needed.
        detectors: The detector of each variant.
        batch_size: Images per batch; no batch spans two shards.
        size: Height and width that the network takes.
        finished: Called in this thread with the work and what each of its runs detected.
        total: Images to come, for the progress bar; None shows none.

    Returns:
        The speed of each run.

    Raises:
        DataError: A record is damaged; the shards before it have been handed over.
        GraphError: A graph cannot be run on an image, which is named.
    """
    taken: List[Work] = []
    open_shards: Dict[int, _Open] = {}
    speeds: Dict[Run, Speed] = {}

    def shards() -> Iterator[Shard]:
        for item in work:
            opened = _Open([], {run: [] for run in item.runs})
            if item.shard.records:
                open_shards[len(taken)] = opened
            else:
                # No batch would ever complete it.
                finished(item, opened.whole())
            taken.append(item)
            yield item.shard

    def process(encoded: images.Encoded) -> _BatchResult:
        # In one thread from file to detections: what hands a batch over costs cores that the network can use.
        return _detected(taken[encoded.position], decode(encoded), detectors)

    with images.open_decoder(*size) as decode, \
            progress.counter(total=total, unit="images", label="detecting") as counter:
        for result in concurrency.run_concurrently(process, images.read(shards(), batch_size)):
            position, count = result.batch.shard, len(result.batch.image_ids)
            open_shards[position].add(result)
            for run, seconds in result.seconds.items():
                speeds[run] = speeds.get(run, Speed(0, 0.0)).plus(Speed(count, seconds / concurrency.cores()))
            counter.update(count)
            if open_shards[position].images() == taken[position].shard.records:
                finished(taken[position], open_shards.pop(position).whole())
    for position in open_shards:
        shard = taken[position].shard
        raise DataError(f"{shard.path}: ended before its {shard.records} records were read; "
                        "it changed while it was read, start again")
    return speeds


def _detected(item: Work, batch: images.Batch, detectors: Mapping[str, Detector]) -> _BatchResult:
    """A batch in each of its runs, one after the other."""
    detections, seconds = {}, {}
    for run in item.runs:
        start = time.perf_counter()
        try:
            detections[run] = detectors[run.variant](batch.images, run)
        except GraphError as error:
            few = ", ".join(map(str, batch.image_ids.tolist()[:_SHOWN]))
            raise type(error)(f"{item.shard.path}, image {few}: {error}") from error
        seconds[run] = time.perf_counter() - start
    return _BatchResult(batch, detections, seconds)
