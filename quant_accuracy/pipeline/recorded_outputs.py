"""The device variant from the outputs of the network that a board left in files."""

import contextlib
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from quant_accuracy.base import command_line, concurrency, files, progress
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import DataError, GraphError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.data.images import Batch, Encoded
from quant_accuracy.data.shards import Shard
from quant_accuracy.detection import store
from quant_accuracy.detection.detector import GraphDetector, open_detector
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.run import Detected
from quant_accuracy.detection.store import ShardDetections
from quant_accuracy.device.exchange import bundle, encodings, manifest, raw_outputs
from quant_accuracy.device.exchange.raw_outputs import Left
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline import bundled
from quant_accuracy.pipeline.prepared import Prepared

_POLL_SECONDS = 0.1
_SHOWN = 5


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.filename or folder}: {error.strerror}; make it readable") from error


def find_outputs(prepared: Prepared, folder: Path) -> Left:
    """What a board left of the very images and the very model that are evaluated; nothing of it is read yet.

    Raises:
        DataError: It is of another model or data set, or results are missing; the message says which images, and how
            to judge what is there.
    """
    with _translated(folder):
        left = raw_outputs.find(folder)
    _check_subject(prepared, left, folder)
    _check_images(prepared, left, folder)
    return left


def _check_subject(prepared: Prepared, left: Left, folder: Path) -> None:
    here = bundled.subject(prepared)
    found = manifest.differences(left.manifest, here)
    if left.manifest.subject.encodings != here.encodings:
        found += encodings.differences(left.path.parent / encodings.NAME, left.manifest.subject.encodings,
                                       prepared.artifacts.encodings)
    if found:
        raise DataError(f"{folder}: is of another model than the one that is evaluated: {'; '.join(found)}; evaluate "
                        f"the model of the bundle ({left.manifest.subject.card}), or make a new bundle and run that")


def _check_images(prepared: Prepared, left: Left, folder: Path) -> None:
    """Check that each evaluated image has a result."""
    bundled = {shard.digest: shard for shard in left.manifest.shards}
    known = {prepared.digests[shard.index]: shard for shard in prepared.shards}
    strange = [shard for digest, shard in known.items() if digest not in bundled]
    if len(strange) == len(known):
        raise DataError(f"{folder}: is of another data set: none of its shards "
                        f"({_names(shard.name for shard in left.manifest.shards)}) has the content of one that is "
                        f"evaluated ({_names(shard.path.name for shard in prepared.shards)}); evaluate the data set of "
                        "the bundle, or make a new bundle and run that")
    complete, missing = [], []
    for digest, shard in known.items():
        places = _places(left, digest, shard)
        lacking = left.missing(places)
        missing += [left.manifest.images[place].image_id for place in lacking]
        if len(places) == shard.records and not lacking:
            complete.append(shard)
    if len(complete) == len(known):
        return
    short = [shard for shard in known.values() if shard not in complete]
    advice = f"judge the part that is there with --shards {shards.format_selection([s.index for s in complete])}, or " \
        if complete else ""
    what = []
    if missing:
        what.append(f"{len(missing)} images have no result: {_names(missing)}")
    if strange or any(bundled[prepared.digests[s.index]].records < s.records for s in short if s not in strange):
        what.append("the bundle does not have all images of the shards "
                    f"{shards.format_selection([shard.index for shard in short])}")
    raise DataError(f"{folder}: {'; '.join(what)}; {advice}run the others on the device, too")


def _places(left: Left, digest: str, shard: Shard) -> Sequence[int]:
    """The places of a shard's evaluated images in the bundle, as far as they are there."""
    return left.manifest.positions().get(digest, range(0))[:shard.records]


def _names(values: Iterable[object]) -> str:
    found = list(map(str, values))
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")


def of_outputs(prepared: Prepared, left: Left) -> Detected:
    """The detections that the checkpoint's own post-processing makes of what a board left; kept shard by shard.

    Args:
        prepared: What is evaluated.
        left: What `find_outputs` found for it.

    Raises:
        DataError: A file is missing, damaged, of a wrong size, or holds NaN or infinity; or the results of most images
            are the same.
    """
    places = _all_places(prepared, left)
    with _translated(left.folder):
        of_images = _digests(places, left)
        _check_different(left, of_images)
        paths = _paths(prepared, places, of_images)
        found: Dict[Path, ShardDetections] = {}
        while len(found) < len(paths):
            store.load_kept(paths.values(), found)
            if len(found) < len(paths):
                _fill(prepared, left, places, {index: path for index, path in paths.items() if path not in found})
    return Detected([(shard, found[paths[shard.index]]) for shard in prepared.shards], None)


def digest(prepared: Prepared, left: Left) -> str:
    """The digest of the outputs of all evaluated images; raises as `of_outputs`."""
    with _translated(left.folder):
        return files.digest_value(list(_digests(_all_places(prepared, left), left).values()))


def _all_places(prepared: Prepared, left: Left) -> Dict[int, Sequence[int]]:
    return {shard.index: _places(left, prepared.digests[shard.index], shard) for shard in prepared.shards}


def _digests(places: Mapping[int, Sequence[int]], left: Left) -> Dict[int, str]:
    return {place: left.digest(place) for some in places.values() for place in some}


def _check_different(left: Left, of_images: Mapping[int, str]) -> None:
    """Check that different images have different results, as far as most of them are concerned."""
    groups: Dict[str, List[int]] = {}
    for place, digest in of_images.items():
        groups.setdefault(digest, []).append(place)
    most = max(groups.values(), key=len)
    different = len({left.manifest.images[place].pixels for place in most})
    if different > 1 and 2 * len(most) > len(of_images):
        raise DataError(f"{left.folder}: the results of {len(most)} of {len(of_images)} images are the same to the "
                        f"last bit, of images {_names(left.manifest.images[place].image_id for place in most)} for "
                        "example; see that the board gets each input, and writes what it computed and not a buffer of "
                        "before")


def _paths(prepared: Prepared, places: Mapping[int, Sequence[int]], of_images: Mapping[int, str]) -> Dict[int, Path]:
    """Where the detections of each shard are kept, by its number: named by everything that they depend on."""
    card, artifacts = prepared.request.card, prepared.artifacts
    shared = {
        "graph": files.digest_file(artifacts.graph_file(FLOAT)),
        "batch_size": prepared.request.batch_size,
        "size": [card.height, card.width],
        "preprocessing": images.PREPROCESSING,
        "outside_suppression": artifacts.suppression is not None,
        "code": code_digest("runtimes", "data", "detection", "device", "pipeline"),
        "tensorflow": sessions.version(),
    }
    return {shard.index: prepared.cache.path("detections/device", {
        **shared,
        "shard": prepared.digests[shard.index],
        "records": shard.records,
        "outputs": [of_images[place] for place in places[shard.index]],
    }, ".npz") for shard in prepared.shards}


def _fill(prepared: Prepared, left: Left, places: Mapping[int, Sequence[int]], paths: Mapping[int, Path]) -> None:
    """Make what is missing of shards that no other process is at; where there is none, wait a moment."""
    by_index = {shard.index: shard for shard in prepared.shards}
    idle = True
    with contextlib.ExitStack() as opened:
        detect: Optional[Callable[[Shard], ShardDetections]] = None
        for index, path in paths.items():
            lock = prepared.cache.claim(f"shard-{path.stem}")
            if lock is None:
                continue
            with lock:
                if path.is_file():
                    continue
                idle = False
                detect = detect or opened.enter_context(_open(prepared, left, places))
                store.save(path, detect(by_index[index]))
            command_line.stop_if_asked()
    if idle:
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _open(prepared: Prepared, left: Left,
          places: Mapping[int, Sequence[int]]) -> Iterator[Callable[[Shard], ShardDetections]]:
    """A function from a shard to what its results show."""
    request, artifacts = prepared.request, prepared.artifacts
    total = sum(shard.records for shard in prepared.shards)
    with contextlib.ExitStack() as stack:
        stack.enter_context(concurrency.limited_to(request.threads))
        decode = stack.enter_context(images.open_decoder(request.card.height, request.card.width))
        counter = stack.enter_context(progress.counter(total, "images", "reading results"))
        detect = stack.enter_context(open_detector(artifacts.graph(FLOAT), request.card.graph, artifacts.suppression,
                                                   label="the float graph behind the outputs of the device"))

        def of_shard(shard: Shard) -> ShardDetections:
            mine = places[shard.index]

            def process(encoded: Encoded) -> Tuple[Batch, List[Detections]]:
                batch = decode(encoded)
                some = mine[encoded.first:encoded.first + len(encoded.contents)]
                return batch._replace(images=None), _of_batch(prepared, left, detect, batch, some)

            ids, sizes, detections = [], [], []
            for batch, of_batch in concurrency.run_concurrently(process, images.read([shard], request.batch_size)):
                ids.append(batch.image_ids)
                sizes.append(batch.sizes)
                detections += of_batch
                counter.update(len(of_batch))
            if len(detections) != shard.records:
                raise DataError(f"{shard.path}: ended before its {shard.records} records were read; it changed while "
                                "it was read, start again")
            return store.gather(ids, sizes, detections)

        yield of_shard


def _of_batch(prepared: Prepared, left: Left, detect: GraphDetector, batch: Batch,
              places: Sequence[int]) -> List[Detections]:
    bundled = [left.manifest.images[place] for place in places]
    for image_id, pixels, image in zip(batch.image_ids.tolist(), batch.images, bundled):
        if image_id != image.image_id or bundle.pixels_digest(pixels) != image.pixels:
            made = ", ".join(f"{name} {version}" for name, version in sorted(left.manifest.versions.items()))
            raise DataError(f"{left.path}: image {image_id} is decoded to other pixels than those of the bundle's "
                            f"input (made with {made}; here is tensorflow {sessions.version()}); evaluate where the "
                            "bundle was made, or make a new one here and run that")
    values = [np.concatenate(column) for column in zip(*map(left.read, places))]
    try:
        return detect(batch.images, {f"{name}:0": value for name, value in
                                     zip(prepared.request.card.graph.output_ops, values)})
    except GraphError as error:
        raise type(error)(f"{left.folder}, image {_names(image.image_id for image in bundled)}: {error}") from error
