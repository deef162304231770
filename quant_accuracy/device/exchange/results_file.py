"""Detections in COCO's results format, from any pipeline: read record by record, so that no file is too large.

A file is a JSON array of `{"image_id", "category_id", "bbox": [x, y, width, height], "score"}`, or has such an object a
line; gzip may have packed it. What else a record holds is passed over.
"""

import codecs
import contextlib
import gzip
import io
import json
import re
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Generator, Iterator, List

import numpy as np

from quant_accuracy.base import documents
from quant_accuracy.base.errors import DataError, first_line, shown
from quant_accuracy.data import annotation_forms as forms
from quant_accuracy.data import identifiers, recognition
from quant_accuracy.data.identifiers import quoted

_KEYS = ("image_id", "category_id", "bbox", "score")
_FORM = ('give COCO\'s results format, [{"image_id": ..., "category_id": ..., "bbox": [x, y, width, height], '
         '"score": ...}]')
_CHUNK, _LONGEST_RECORD = 1 << 20, 1 << 24
_SPACE = re.compile(r"[ \t\r\n]*")
_GZIP = b"\x1f\x8b"
_DAMAGES = (OSError, EOFError, zlib.error, UnicodeError)
# Rounding of a softmax.
_ABOVE_ONE = 1e-5
_PERCENT = 100
_LARGEST = 1e9


@dataclass(frozen=True)
class Rows:
    """The records of a file, in its order.

    Attributes:
        path: The file.
        images: int64 [d] image ids.
        categories: int64 [d] category ids.
        boxes: float64 [d, 4] x, y, width, height in pixels, as the file has them.
        scores: float64 [d].
    """

    path: Path
    images: np.ndarray
    categories: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


def read(path: Path) -> Rows:
    """Read a file of detections.

    Raises:
        DataError: It is missing, damaged, of another form, or a record cannot be used; the record is named.
    """
    images, categories, numbers = array("q"), array("q"), array("d")
    with contextlib.closing(_records(path)) as records:
        for number, record in enumerate(records):
            try:
                images.append(_id(record, "image_id"))
                categories.append(_id(record, "category_id"))
                box = record["bbox"]
                if type(box) is not list or len(box) != 4:
                    raise ValueError(f"has the bbox {shown(box)}; give four numbers [x, y, width, height]")
                numbers.extend([_number(value, "bbox", box) for value in box])
                numbers.append(_number(record["score"], "score", record["score"]))
            except KeyError as error:
                raise DataError(f"{path}: record {number} has no {error.args[0]}; {_about_keys(record)}") from error
            except (ValueError, OverflowError) as error:
                raise DataError(f"{path}: record {number} {error}") from error
    table = np.array(numbers, np.float64).reshape(-1, 5)
    rows = Rows(path, np.array(images, np.int64), np.array(categories, np.int64),
                np.ascontiguousarray(table[:, :4]), table[:, 4].copy())
    _check_numbers(rows)
    return rows


def _id(record: Dict[str, Any], key: str) -> int:
    value = record[key]
    if type(value) is int and abs(value) <= identifiers.LARGEST:
        return value
    try:
        return identifiers.as_integer(value)
    except ValueError as error:
        named = " (an image is named by its id in the annotations, not by its file)" \
            if key == "image_id" and isinstance(value, str) else ""
        raise ValueError(f"has the {key} {quoted(value)}, which {error}{named}") from error


def _number(value: Any, key: str, whole: Any) -> float:
    if type(value) is float or type(value) is int:
        # Infinity and NaN, which JSON does not have and Python writes, are found in the table.
        return float(value)
    found = forms.number(value)
    if found is None:
        raise ValueError(f"has the {key} {shown(whole)}; give {'numbers' if key == 'bbox' else 'a number from 0 to 1'}")
    return float(found)


def _about_keys(record: Dict[str, Any]) -> str:
    found = ", ".join(map(shown, list(record)[:6])) or "nothing"
    if "segmentation" in record and "bbox" not in record:
        return "it is a result of segmentation; give boxes"
    if "bbox" in record and "score" not in record:
        return f"it has {found}, as an annotation has; give detections, each with its score"
    return f"it has {found}; {_FORM}"


def _check_numbers(rows: Rows) -> None:
    """Check that all boxes and scores are numbers that can be scored."""
    with np.errstate(invalid="ignore"):
        finite = (np.abs(rows.boxes) < _LARGEST).all(axis=1)
    _refuse(rows, ~finite, lambda row: f"has the bbox {rows.boxes[row].tolist()}; give four finite numbers in pixels")
    _refuse(rows, ~np.isfinite(rows.scores), lambda row: f"has the score {rows.scores[row]}; give a number from 0 to 1")
    _refuse(rows, (rows.boxes[:, 2:] < 0).any(axis=1),
            lambda row: f"has the bbox {rows.boxes[row].tolist()} with a negative width or height; give x, y, width "
                        "and height, not corners")
    outside = (rows.scores < 0) | (rows.scores > 1 + _ABOVE_ONE)
    if outside.any():
        low, high = rows.scores.min(), rows.scores.max()
        looks = "they look like percent, divide them by 100" if low >= 0 and high <= _PERCENT \
            else "they look like the network's own values before the sigmoid or softmax, apply it"
        _refuse(rows, outside, lambda row: f"has the score {rows.scores[row]:g}; scores lie from 0 to 1, and these "
                                           f"from {low:g} to {high:g}: {looks}")


def _refuse(rows: Rows, wrong: np.ndarray, problem: Any) -> None:
    found = np.flatnonzero(wrong)
    if len(found):
        row = int(found[0])
        others = f" ({len(found)} of {len(wrong)} records)" if len(found) > 1 else ""
        raise DataError(f"{rows.path}: record {row}, of image {rows.images[row]}, {problem(row)}{others}")


def _records(path: Path) -> Generator[Dict[str, Any], None, None]:
    """The objects of a file, one after the other."""
    with _opened(path) as file:
        head = file.peek(recognition.HEAD)[:recognition.HEAD]
        try:
            with documents.parsing():
                yield from _Text(gzip.GzipFile(fileobj=file) if head.startswith(_GZIP) else file).records()
        except _DAMAGES as error:
            raise DataError(f"{path}: not readable ({first_line(error)}); {_advice(head)}") from error
        except ValueError as error:
            raise DataError(f"{path}: not readable as JSON ({error}); {_advice(head)}") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(str(path), "rb"))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}; name the file of detections with --device-detections") \
                from error
        yield file


def _advice(head: bytes) -> str:
    """What to do about a file that begins so and cannot be read."""
    known = recognition.recognize(head)
    if known and known is not recognition.GZIP:
        return f"it is {known.name}; {known.remedy}"
    return _FORM


class _Text:
    """A text that is read as it is parsed.

    Args:
        file: The file, unpacked.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._decoder: Any = None
        self._parse = json.JSONDecoder().raw_decode
        self._buffer, self._place, self._ended, self._count = "", 0, False, 0

    def records(self) -> Iterator[Dict[str, Any]]:
        """The objects of an array, or of lines.

        Raises:
            ValueError: The text is something else.
        """
        first = self._next()
        if first not in ("[", "{"):
            raise ValueError("it is empty" if not first else f"it begins with {shown(first)}")
        listed = first == "["
        self._place += listed
        sign = self._next()
        while sign and not (listed and sign == "]"):
            yield self._object()
            sign = self._next()
            if listed and sign == ",":
                self._place += 1
                sign = self._next()
                if sign == "]":
                    raise ValueError(f"a comma stands behind record {self._count - 1}, the last one")
            elif listed and sign != "]":
                raise ValueError(f"it ends behind record {self._count - 1}, without ]" if not sign
                                 else f"{shown(sign)} stands behind record {self._count - 1}, not a comma")
        self._place += listed
        if listed and not sign:
            raise ValueError("it ends without ]")
        if self._next():
            raise ValueError(f"something follows the array of {self._count} records; two files were joined?")

    def _object(self) -> Dict[str, Any]:
        if self._buffer[self._place] != "{":
            raise ValueError(f"record {self._count} is not an object")
        while True:
            try:
                found, self._place = self._parse(self._buffer, self._place)
                break
            except ValueError as error:
                if self._ended or len(self._buffer) - self._place > _LONGEST_RECORD:
                    raise ValueError(f"record {self._count} is {'cut short or ' if self._ended else ''}damaged: "
                                     f"{str(error).partition(':')[0]}") from error
                self._more()
        if not self._count and not any(key in found for key in _KEYS):
            raise ValueError(f"it holds an object of {', '.join(map(shown, list(found)[:5])) or 'nothing'}, not "
                             "detections")
        self._count += 1
        return dict(found)

    def _next(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._place)
            self._place = match.end() if match else self._place
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if self._ended:
                return ""
            self._more()

    def _more(self) -> None:
        content = self._file.read(_CHUNK)
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(json.detect_encoding(content))()
        self._ended = not content
        self._buffer = self._buffer[self._place:] + self._decoder.decode(content, self._ended)
        self._place = 0


def repeated(rows: Rows) -> List[int]:
    """The images all of whose detections are there twice or more, sorted by id."""
    table = np.column_stack([rows.images, rows.categories, rows.boxes.view(np.int64), rows.scores.view(np.int64)])
    if not len(table):
        return []
    distinct, counts = np.unique(table, axis=0, return_counts=True)
    images, inverse = np.unique(distinct[:, 0], return_inverse=True)
    least = np.full(len(images), np.iinfo(np.int64).max)
    np.minimum.at(least, inverse.reshape(-1), counts)
    return [int(image) for image in images[least > 1]]
