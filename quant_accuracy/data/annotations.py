"""COCO's `instances_*.json`: read, checked, and ready for scoring.

What other writers put in another form but with one meaning only is read as COCO has it; the document holds it so.
"""

import contextlib
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional

from quant_accuracy.base import files
from quant_accuracy.base.documents import parse_json
from quant_accuracy.base.errors import DataError, shown
from quant_accuracy.data import annotation_forms as forms
from quant_accuracy.data import identifiers, recognition
from quant_accuracy.data.identifiers import quoted

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
        document: The parsed file, in the form of COCO: ids and sizes are integers, boxes and areas numbers, `iscrowd`
            is 0 or 1, whatever the file has them as.
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


def require(path: Path) -> None:
    """Check that an annotation file is there.

    Raises:
        DataError: It is missing, or a folder.
    """
    with _readable(path), open(str(path), "rb"):
        pass


def load(path: Path) -> Annotations:
    """Read and check a COCO annotation file.

    Raises:
        DataError: The file is missing, is not COCO JSON, or contradicts itself.
    """
    document = _parsed(path)
    _check_form(path, document)
    images = _index(path, document["images"], "images")
    for image in document["images"]:
        _settle_size(path, image)
    for category in document["categories"]:
        _check_name(path, category)
    categories = _names(_index(path, document["categories"], "categories"))
    _index(path, document["annotations"], "annotations")
    for annotation in document["annotations"]:
        _settle_annotation(path, annotation, images, categories)
    return Annotations(path, document, images, categories)


def find(paths: Iterable[Path], digest: str) -> Optional[Annotations]:
    """The first of some annotation files with a digest (see `Annotations.digest`); None where none has it.

    Raises:
        DataError: A file is missing or damaged.
    """
    for path in dict.fromkeys(paths):
        annotations = load(path)
        if annotations.digest() == digest:
            return annotations
    return None


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such annotation file; {_REMEDY}") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a folder; {_REMEDY} in it") from error
    except OSError as error:
        raise DataError(f"{path}: not readable as JSON ({error}); {_REMEDY}") from error


def _parsed(path: Path) -> Any:
    try:
        with _readable(path):
            return parse_json(forms.text_of(path.read_bytes()))
    except ValueError as error:
        with open(str(path), "rb") as file:
            head = file.read(recognition.HEAD)
        known = recognition.recognize(head)
        # What gzip has packed has been unpacked before.
        if known and known is not recognition.GZIP:
            raise DataError(f"{path}: not readable as JSON: it is {known.name}; {known.remedy}") from error
        if forms.is_json_lines(head, error):
            raise DataError(f"{path}: not readable as JSON: it holds a value a line (JSON Lines), not one object of "
                            f"images, annotations and categories; {_REMEDY}") from error
        raise DataError(f"{path}: not readable as JSON ({error}); {_REMEDY}") from error


def _check_form(path: Path, document: Any) -> None:
    if not isinstance(document, dict):
        what = "detections in COCO's results format" if forms.are_results(document) else f"a {type(document).__name__}"
        raise DataError(f"{path}: holds {what}, not COCO's object of images, annotations and categories; {_REMEDY}")
    for section, keys in _REQUIRED.items():
        if section not in document:
            found = ", ".join(map(shown, list(document)[:5])) or "nothing"
            raise DataError(f"{path}: has no list {section!r} (it has {found}); {_REMEDY}")
        entries = forms.rows(document[section])
        if entries is None:
            raise DataError(f"{path}: has no list {section!r}: it is {shown(document[section])}; write "
                            f"[{{{', '.join(f'{shown(key)}: ...' for key in keys)}}}, ...]")
        document[section] = entries
        for number, entry in enumerate(entries):
            missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if missing:
                raise DataError(f"{path}: {section}[{number}] lacks {', '.join(missing)}; {_REMEDY}")


def _index(path: Path, entries: List[Dict[str, Any]], section: str) -> Dict[int, Dict[str, Any]]:
    found: Dict[int, Dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        try:
            key = entry["id"] = identifiers.as_integer(entry["id"])
        except ValueError as error:
            raise DataError(f"{path}: {section}[{number}] has the id {quoted(entry['id'])}, which {error}") from error
        if key in found:
            raise DataError(f"{path}: {section} has the id {key} twice; make the ids unique")
        found[key] = entry
    return found


def _settle_size(path: Path, image: Dict[str, Any]) -> None:
    for side in ("width", "height"):
        value = forms.number(image[side])
        if value is None or value % 1 or not 1 <= value < 1 << 31:
            raise DataError(f"{path}: image {quoted(image['id'])} has the {side} {shown(image[side])}; "
                            "give whole pixels")
        image[side] = int(value)


def _check_name(path: Path, category: Mapping[str, Any]) -> None:
    try:
        str(category["name"]).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}: the name of category {quoted(category['id'])} holds half of a character, "
                        "which no file can; repair it") from error


def _names(categories: Mapping[int, Mapping[str, Any]]) -> Dict[int, str]:
    """Category names by id; where two share a name, the id tells them apart."""
    shared = Counter(str(category["name"]) for category in categories.values())
    return {key: f"{category['name']} ({key})" if shared[str(category["name"])] > 1 else str(category["name"])
            for key, category in categories.items()}


def _settle_annotation(path: Path, annotation: Dict[str, Any], images: Mapping[int, Any],
                       categories: Mapping[int, str]) -> None:
    """Bring an annotation into the form of COCO, or raise a DataError that names it."""
    name = f"{path}: annotation {annotation['id']}"
    _settle_reference(name, annotation, "image_id", images, "belongs to image", "images",
                      "add the image or drop the annotation")
    _settle_reference(name, annotation, "category_id", categories, "has category", "categories",
                      "add the category or drop the annotation")
    box = annotation["bbox"]
    values = [forms.number(value) for value in box] if isinstance(box, list) else []
    if len(values) != 4 or None in values:
        raise DataError(f"{name} has the bbox {shown(box)}; give four finite numbers [x, y, width, height]")
    annotation["bbox"] = values
    # Tables write null where a row has none of a key.
    if annotation.get("area", 0) is None:
        del annotation["area"]
    area = forms.number(annotation.get("area", 0))
    if area is None or area < 0:
        raise DataError(f"{name} has the area {shown(annotation['area'])}; give square pixels, or leave it out")
    if "area" in annotation:
        annotation["area"] = area
    if "iscrowd" in annotation:
        crowd = forms.flag(annotation["iscrowd"])
        if crowd is None:
            raise DataError(f"{name} has iscrowd {shown(annotation['iscrowd'])}; give 0 or 1")
        annotation["iscrowd"] = crowd


def _settle_reference(name: str, annotation: Dict[str, Any], key: str, known: Mapping[int, Any], verb: str,
                      section: str, remedy: str) -> None:
    value = annotation[key]
    if not (isinstance(value, int) and not isinstance(value, bool) and value in known):
        try:
            value = identifiers.as_integer(value)
        except ValueError as error:
            raise DataError(f"{name} {verb} {quoted(value)}, which {error}") from error
        if value not in known:
            raise DataError(f"{name} {verb} {quoted(value)}, which is not among the {section}; {remedy}")
        annotation[key] = value
