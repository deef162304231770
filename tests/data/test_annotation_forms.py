"""Annotation files as other writers make them: read where they mean one thing, named for what they are where not."""

import codecs
import copy
import gzip
import json
from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.data import annotations
from quant_accuracy.scoring import matching

_DOCUMENT: Dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 60, "height": 40},
               {"id": 9, "file_name": "b.jpg", "width": 60, "height": 40}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [6, 4, 30, 20.5], "area": 600, "iscrowd": 0},
                    {"id": 2, "image_id": 9, "category_id": 90, "bbox": [0, 0, 60, 40], "area": 2400, "iscrowd": 1}],
    "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "Zahnbürste"}]}


def _loaded(folder: Path, content: bytes) -> annotations.Annotations:
    path = folder / "instances.json"
    path.write_bytes(content)
    return annotations.load(path)


def _assert_plain(found: annotations.Annotations) -> None:
    """As the plain file is read, types included."""
    assert json.dumps(found.document, sort_keys=True) == json.dumps(_DOCUMENT, sort_keys=True)
    assert sorted(found.images) == [7, 9]
    assert found.categories == {3: "car", 90: "Zahnbürste"}


_TEXT = json.dumps(_DOCUMENT, ensure_ascii=False)


@pytest.mark.parametrize("content", [
    _TEXT.encode(), codecs.BOM_UTF8 + _TEXT.encode(), _TEXT.encode("utf-16"), _TEXT.encode("utf-16-le"),
    codecs.BOM_UTF16_BE + _TEXT.encode("utf-16-be"), _TEXT.encode("utf-32"), gzip.compress(_TEXT.encode()),
    json.dumps(_DOCUMENT, indent=2).replace("\n", "\r\n").encode(),
], ids=["utf-8", "byte order mark", "utf-16", "utf-16 without mark", "utf-16-be", "utf-32", "gzip", "windows lines"])
def test_the_encoding_of_a_file_makes_no_difference(tmp_path: Path, content: bytes) -> None:
    _assert_plain(_loaded(tmp_path, content))


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "not readable as JSON (Expecting value"),
    (_TEXT.encode("latin-1"), "not readable as JSON ('utf-8' codec"),
    (gzip.compress(_TEXT.encode(), 9)[:-9], "not readable as JSON (the gzip file is damaged"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
     "it is a pointer of Git LFS, not the file itself; fetch the file with `git lfs pull`"),
    (b"<!doctype html>\n<html>", "it is a web page; the download failed: download the file again"),
    (b"PK\x03\x04" + bytes(30), "it is a ZIP archive; unpack it"),
    (b'{"id": 1, "image_id": 7}\n{"id": 2, "image_id": 7}\n', "it holds a value a line (JSON Lines)"),
    (b'{"id": 1, "text": "' + b"x" * 5000 + b'"}\n{"id": 2}\n', "it holds a value a line (JSON Lines)"),
    (b'[{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}]',
     "holds detections in COCO's results format, not COCO's object of images"),
    (b'{"shapes": [], "version": "5.0"}', "has no list 'images' (it has 'shapes', 'version')"),
    (b'{"images": "none", "annotations": [], "categories": []}',
     "has no list 'images': it is 'none'; write [{'id': ..., 'width': ..., 'height': ...}, ...]"),
], ids=["empty", "latin-1", "damaged gzip", "git lfs", "web page", "zip", "json lines", "long json lines", "results",
        "another tool", "text for a list"])
def test_a_file_that_is_something_else_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        _loaded(tmp_path, content)

    assert str(caught.value).startswith(str(tmp_path / "instances.json"))
    assert problem in str(caught.value)


def _changed(change: Callable[[Dict[str, Any]], None]) -> bytes:
    document = copy.deepcopy(_DOCUMENT)
    change(document)
    return json.dumps(document).encode()


def _every(section: str, **forms: Callable[[Any], Any]) -> Callable[[Dict[str, Any]], None]:
    """Write values of a section in another form."""

    def change(document: Dict[str, Any]) -> None:
        for entry in document[section]:
            entry.update({key: form(entry[key]) for key, form in forms.items()})

    return change


def _as_columns(section: str) -> Callable[[Dict[str, Any]], None]:
    """As pandas' `DataFrame.to_json()` has it."""

    def change(document: Dict[str, Any]) -> None:
        rows = document[section]
        document[section] = {key: {str(n): row[key] for n, row in enumerate(rows)} for key in rows[0]}

    return change


def _as_index(section: str) -> Callable[[Dict[str, Any]], None]:
    """As pandas' `DataFrame.to_json(orient="index")` has it."""

    def change(document: Dict[str, Any]) -> None:
        document[section] = {str(n): row for n, row in enumerate(document[section])}

    return change


def _set(section: str, value: Any) -> Callable[[Dict[str, Any]], None]:
    return lambda document: document.update({section: value})


@pytest.mark.parametrize("change", [
    _every("images", id=float, width=float, height=float), _every("images", id=str, width=str, height=str),
    _every("images", id="{:012d}".format), _every("categories", id=float), _every("categories", id=str),
    _every("annotations", id=float, image_id=float, category_id=float),
    _every("annotations", id=str, image_id=str, category_id=str),
    _every("annotations", image_id="{}.0".format),
    _every("annotations", bbox=lambda box: [str(value) for value in box[:3]] + box[3:]),
    _every("annotations", iscrowd=bool), _every("annotations", iscrowd=str), _every("annotations", iscrowd=float),
    _every("annotations", area=str),
    _as_columns("images"), _as_columns("annotations"), _as_columns("categories"),
    _as_index("images"), _as_index("annotations"), _as_index("categories"),
    _set("categories", {"3": "car", "90": "Zahnbürste"}), _set("categories", {"car": 3, "Zahnbürste": 90}),
])
def test_what_means_one_thing_only_is_read_as_coco_has_it(tmp_path: Path,
                                                          change: Callable[[Dict[str, Any]], None]) -> None:
    found = _loaded(tmp_path, _changed(change))

    ids = [found.document["images"][0]["id"], *(found.document["annotations"][0][key]
                                                for key in ("id", "image_id", "category_id"))]
    assert ids == [7, 1, 7, 3]
    assert {type(value) for value in ids} == {int}
    assert found.document == _DOCUMENT
    assert sorted(found.images) == [7, 9]
    assert found.categories == {3: "car", 90: "Zahnbürste"}


@pytest.mark.parametrize("missing", [{}, {"iscrowd": None, "area": None}])
def test_what_a_table_leaves_empty_counts_as_left_out(tmp_path: Path, missing: Dict[str, Any]) -> None:
    document = copy.deepcopy(_DOCUMENT)
    for thing in document["annotations"]:
        del thing["area"], thing["iscrowd"]
        thing.update(missing)

    found = _loaded(tmp_path, json.dumps(document).encode())

    truth = matching.ground_truth(found, np.array([7, 9]))
    assert truth.areas.tolist() == [30 * 20.5, 60 * 40]
    assert truth.crowd.tolist() == [False, False]


def _first(section: str, **values: Any) -> Callable[[Dict[str, Any]], None]:
    return lambda document: document[section][0].update(values)


@pytest.mark.parametrize(("change", "problem"), [
    (_first("images", id=1.5), "images[0] has the id 1.5, which is not a whole number; an id is a whole number of 64"),
    (_first("images", id=True), "images[0] has the id True, which is not a whole number"),
    (_first("images", id="a.jpg"), "images[0] has the id 'a.jpg', which is not a whole number"),
    (_first("images", id=1 << 63), "which is too large; an id is a whole number of 64 bits, -2^63 to 2^63 - 1"),
    (_first("images", id=1e17), "which was written as a float, which holds whole numbers exactly up to 2^53 only"),
    (_first("images", id="9"), "images has the id 9 twice; make the ids unique"),
    (_first("images", width=None), "image 7 has the width None; give whole pixels"),
    (_first("images", width="60px"), "image 7 has the width '60px'; give whole pixels"),
    (_first("annotations", image_id=10 ** 17), "annotation 1 belongs to image 100000000000000000, which is not among"),
    (_first("annotations", image_id=1e17), "annotation 1 belongs to image 1e+17, which was written as a float"),
    (_first("annotations", image_id=None), "annotation 1 belongs to image None, which is not a whole number"),
    (_first("annotations", category_id="car"), "annotation 1 has category 'car', which is not a whole number"),
    (_first("annotations", bbox=None), "annotation 1 has the bbox None; give four finite numbers"),
    (_first("annotations", bbox={"x": 1}), "annotation 1 has the bbox {'x': 1}; give four finite numbers"),
    (_first("annotations", bbox="1 2 3 4"), "annotation 1 has the bbox '1 2 3 4'; give four finite numbers"),
    (_first("annotations", bbox=[1, 2, 3, float("inf")]), "annotation 1 has the bbox [1, 2, 3, inf]; give four finite"),
    (_first("annotations", bbox=["1", "2", "3", "nan"]), "annotation 1 has the bbox ['1', '2', '3', 'nan']; give four"),
    (_first("annotations", area=float("nan")), "annotation 1 has the area nan; give square pixels, or leave it out"),
    (_first("annotations", iscrowd="maybe"), "annotation 1 has iscrowd 'maybe'; give 0 or 1"),
    (_set("categories", {"1": "one", "two": "2"}), "has no list 'categories': it is"),
])
def test_what_may_mean_several_things_is_named_with_its_entry(tmp_path: Path, change: Callable[[Dict[str, Any]], None],
                                                              problem: str) -> None:
    with pytest.raises(DataError) as caught:
        _loaded(tmp_path, _changed(change))

    assert str(caught.value).startswith(str(tmp_path / "instances.json"))
    assert problem in str(caught.value)
