"""The images that lost most of their AP: a picture of each, and what the variants detected on it."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence

from PIL import Image

from quant_accuracy.base import files, invocation
from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.data import records
from quant_accuracy.data.records import EncodedImage
from quant_accuracy.pipeline import device_figures
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.reporting.pictures import pictures, scenes
from quant_accuracy.reporting.pictures.scenes import Box, Scene
from quant_accuracy.scoring import attribution
from quant_accuracy.scoring.matching import RIGHT, UNCOUNTED, WRONG

_FOLDER = "images"
_OUTCOMES = {RIGHT: "right", WRONG: "wrong", UNCOUNTED: "uncounted"}


def draw(evaluation: Evaluation, folder: Path) -> List[Dict[str, Any]]:
    """Tell of the images that lost most, with a picture of each in `images` below the folder of the report.

    Args:
        evaluation: The evaluation.
        folder: The folder of its report.

    Returns:
        For each image, largest loss first: its id, its file name as the annotations have it (empty without), its AP by
        variant (see `attribution.image_aps`; None where there is no device, or it has not run the image), where its
        picture is, relative to the folder, its size, its ground truth and its detections.

    Raises:
        DataError: A record cannot be read any more; file and record are named.
        StorageError: The disk is full or the folder cannot be written.
    """
    floats, quantized = (evaluation.variants[name].matches for name in VARIANTS)
    return _draw(evaluation, folder, attribution.changed_images(floats, quantized))


def draw_of_device(evaluation: Evaluation, folder: Path) -> List[Dict[str, Any]]:
    """Tell of the images that lost most from the simulation to the device, as `draw` does.

    Raises:
        DataError: A record cannot be read any more; file and record are named.
        StorageError: The disk is full or the folder cannot be written.
    """
    sides = device_figures.on_its_images(evaluation.prepared, evaluation.variants)
    return _draw(evaluation, folder, attribution.changed_images(sides[QUANTIZED].matches, sides[DEVICE].matches))


def _draw(evaluation: Evaluation, folder: Path, chosen: Sequence[int]) -> List[Dict[str, Any]]:
    variants, truth = evaluation.variants, evaluation.prepared.truth
    aps = {name: dict(zip(side.matches.image_ids.tolist(), attribution.image_aps(side.matches).tolist()))
           for name, side in variants.items()}
    places = _places(variants[FLOAT], chosen)
    encoded = _encoded(places.values())
    found = []
    for image in chosen:
        own = {name: of_variant[image] for name, of_variant in aps.items() if image in of_variant}
        scene, = scenes.scenes(truth, {name: variants[name].merged for name in own},
                               {name: variants[name].matches for name in own}, [image])
        picture = f"{_FOLDER}/{image}.jpg"
        decoded = _decoded(places[image], encoded[places[image]], image)
        files.write_bytes(folder / picture, pictures.as_jpeg(decoded))
        found.append({"image_id": image, "file_name": str(truth.images[image].get("file_name", "")),
                      **{name: own.get(name) for name in (*VARIANTS, DEVICE)}, "picture": picture,
                      "width": decoded.width, "height": decoded.height, **_as_document(scene)})
    return found


def _as_document(scene: Scene) -> Dict[str, Any]:
    """A scene, JSON-like; boxes to a hundredth of a pixel."""
    return {
        "score": scene.score,
        "objects": [{"box": _rounded(thing.box), "name": thing.name, "crowd": thing.crowd} for thing in scene.objects],
        "detections": {name: [{"box": _rounded(item.box), "name": item.name, "score": round(item.score, 4),
                               "outcome": _OUTCOMES[item.outcome], "iou": round(item.iou, 4),
                               "object": None if item.number < 0 else item.number} for item in side]
                       for name, side in scene.sides.items()},
    }


def _rounded(box: Box) -> List[float]:
    return [round(value, 2) for value in box]


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


def _decoded(place: _Place, encoded: EncodedImage, image: int) -> Image.Image:
    try:
        return pictures.decode(encoded.content)
    except ValueError as error:
        raise DataError(f"{place.path}: record {place.number} (image {image}) is not a readable image "
                        f"({error}); copy the file again or make it with {invocation.CREATE_TFRECORDS}") from error
