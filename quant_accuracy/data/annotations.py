"""COCO's `instances_*.json`: read, checked, and ready for scoring."""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

from quant_accuracy import files
from quant_accuracy.document import read_json
from quant_accuracy.errors import DataError, shown

_REQUIRED = {
    "images": ("id", "width", "height"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}
_REMEDY = "give COCO's instances_*.json"


class Annotations(NamedTuple):
    """A checked annotation file.

    Attributes:
        path: Where it was read.
        document: The parsed file, in the form of COCO.
        images: Image records by image id.
        categories: Category names by category id.
    """

    path: Path
    document: Mapping[str, Any]
    images: Mapping[int, Mapping[str, Any]]
    categories: Mapping[int, str]

    def by_image(self) -> Dict[int, List[Mapping[str, Any]]]:
        """The annotations of each image id; images without objects have an empty list."""
        found: Dict[int, List[Mapping[str, Any]]] = {image_id: [] for image_id in self.images}
        for annotation in self.document["annotations"]:
            found[annotation["image_id"]].append(annotation)
        return found

    def digest(self) -> str:
        """The digest of all that scoring looks at, whatever the layout of the file and the order of its entries."""
        document = self.document
        return files.digest_value([
            sorted([image["id"], image["height"], image["width"]] for image in document["images"]),
            sorted([thing["id"], thing["image_id"], thing["category_id"], [float(side) for side in thing["bbox"]],
                    float(thing["area"]) if "area" in thing else None, bool(thing.get("iscrowd"))]
                   for thing in document["annotations"]),
            sorted(self.categories.items())])


def load(path: Path) -> Annotations:
    """Read and check a COCO annotation file.

    Raises:
        DataError: The file is missing, is not COCO JSON, or contradicts itself.
    """
    try:
        document = read_json(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such annotation file; {_REMEDY} with --annotation-json-file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {_REMEDY}") from error
    _check_form(path, document)
    images = _index(path, document["images"], "images")
    for image in document["images"]:
        _check_size(path, image)
    for category in document["categories"]:
        _check_name(path, category)
    categories = _names(_index(path, document["categories"], "categories"))
    _index(path, document["annotations"], "annotations")
    for annotation in document["annotations"]:
        _check_annotation(path, annotation, images, categories)
    return Annotations(path, document, images, categories)


def _check_form(path: Path, document: Any) -> None:
    if not isinstance(document, dict):
        raise DataError(f"{path}: holds a {type(document).__name__}, not COCO's object of images, annotations "
                        f"and categories; {_REMEDY}")
    for section, keys in _REQUIRED.items():
        entries = document.get(section)
        if not isinstance(entries, list):
            raise DataError(f"{path}: has no list {section!r}; {_REMEDY}")
        for number, entry in enumerate(entries):
            missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if missing:
                raise DataError(f"{path}: {section}[{number}] lacks {', '.join(missing)}; {_REMEDY}")


def _index(path: Path, entries: List[Dict[str, Any]], section: str) -> Dict[int, Dict[str, Any]]:
    found: Dict[int, Dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        key = entry["id"]
        if not isinstance(key, int) or isinstance(key, bool):
            raise DataError(f"{path}: {section}[{number}] has the id {shown(key)}, not an integer; {_REMEDY}")
        if key in found:
            raise DataError(f"{path}: {section} has the id {key} twice; make the ids unique")
        found[key] = entry
    return found


def _check_size(path: Path, image: Mapping[str, Any]) -> None:
    for side in ("width", "height"):
        value = image[side]
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 31:
            raise DataError(f"{path}: image {shown(image['id'])} has the {side} {shown(value)}; give whole pixels")


def _check_name(path: Path, category: Mapping[str, Any]) -> None:
    try:
        str(category["name"]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the name of category {shown(category['id'])} holds half of a character, "
                        "which no file can; repair it") from error


def _names(categories: Mapping[int, Mapping[str, Any]]) -> Dict[int, str]:
    """Category names by id; where two share a name, the id tells them apart."""
    shared = Counter(str(category["name"]) for category in categories.values())
    return {key: f"{category['name']} ({key})" if shared[str(category["name"])] > 1 else str(category["name"])
            for key, category in categories.items()}


def _check_annotation(path: Path, annotation: Mapping[str, Any], images: Mapping[int, Any],
                      categories: Mapping[int, str]) -> None:
    name = f"{path}: annotation {shown(annotation['id'])}"
    if not _hashable_in(annotation["image_id"], images):
        raise DataError(f"{name} belongs to image {shown(annotation['image_id'])}, which is not among the images; "
                        "add the image or drop the annotation")
    if not _hashable_in(annotation["category_id"], categories):
        raise DataError(f"{name} has category {shown(annotation['category_id'])}, which is not among the categories; "
                        "add the category or drop the annotation")
    box = annotation["bbox"]
    if not (isinstance(box, list) and len(box) == 4 and all(_is_finite_number(value) for value in box)):
        raise DataError(f"{name} has the bbox {shown(box)}; give four finite numbers [x, y, width, height]")
    area = annotation.get("area", 0)
    if not _is_finite_number(area) or area < 0:
        raise DataError(f"{name} has the area {shown(area)}; give square pixels, or leave it out")
    if annotation.get("iscrowd", 0) not in (0, 1):
        raise DataError(f"{name} has iscrowd {shown(annotation['iscrowd'])}; give 0 or 1")


def _hashable_in(key: Any, mapping: Mapping[int, Any]) -> bool:
    return isinstance(key, int) and key in mapping


def _is_finite_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
