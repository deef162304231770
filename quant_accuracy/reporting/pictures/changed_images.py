"""The images that lost most of their AP, drawn."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence

from quant_accuracy.base import files, invocation
from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import records
from quant_accuracy.data.records import EncodedImage
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.reporting.pictures import pictures, scenes
from quant_accuracy.reporting.pictures.scenes import Scene
from quant_accuracy.scoring import attribution

_FOLDER = "images"


def draw(evaluation: Evaluation, folder: Path) -> List[Dict[str, Any]]:
    """Draw the images that lost most, into `images` below the folder of the report.

    Args:
        evaluation: The evaluation.
        folder: The folder of its report.

    Returns:
        For each image, largest loss first: its id, its file name as the annotations have it (empty without), its AP by
        variant (see `attribution.image_aps`), and where its picture is, relative to the folder.

    Raises:
        DataError: A record cannot be read any more; file and record are named.
        StorageError: The disk is full or the folder cannot be written.
    """
    variants, truth = evaluation.variants, evaluation.prepared.truth
    matches = {name: variants[name].matches for name in (FLOAT, QUANTIZED)}
    chosen = attribution.changed_images(matches[FLOAT], matches[QUANTIZED])
    aps = {name: dict(zip(of_variant.image_ids.tolist(), attribution.image_aps(of_variant).tolist()))
           for name, of_variant in matches.items()}
    places = _places(variants[FLOAT], chosen)
    encoded = _encoded(places.values())
    found = []
    for scene in scenes.scenes(truth, {name: variants[name].merged for name in matches}, matches, chosen):
        image, own = scene.image_id, {name: aps[name][scene.image_id] for name in matches}
        picture = f"{_FOLDER}/{image}.jpg"
        content = _drawn(places[image], encoded[places[image]], scene, own)
        files.write_bytes(folder / picture, content)
        found.append({"image_id": image, "file_name": str(truth.images[image].get("file_name", "")), **own,
                      "picture": picture})
    return found


class _Place(NamedTuple):
    """A record."""

    path: Path
    number: int


def _places(variant: Variant, images: Sequence[int]) -> Dict[int, _Place]:
    """Where images come from: detections are kept in the order of the records."""
    wanted = set(images)
    return {image: _Place(shard.path, number) for shard, found in variant.parts
            for number, image in enumerate(found.image_ids.tolist()) if image in wanted}


def _encoded(places: Iterable[_Place]) -> Dict[_Place, EncodedImage]:
    by_file: Dict[Path, List[int]] = {}
    for place in places:
        by_file.setdefault(place.path, []).append(place.number)
    return {_Place(path, number): image for path, numbers in by_file.items()
            for number, image in records.read_encoded(path, numbers).items()}


def _drawn(place: _Place, encoded: EncodedImage, scene: Scene, aps: Mapping[str, float]) -> bytes:
    try:
        image = pictures.decode(encoded.content)
    except ValueError as error:
        raise DataError(f"{place.path}: record {place.number} (image {scene.image_id}) is not a readable image "
                        f"({error}); copy the file again or make it with {invocation.CREATE_TFRECORDS}") from error
    return pictures.as_jpeg(pictures.draw(image, scene, aps))
