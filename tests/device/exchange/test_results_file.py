"""Detections from any pipeline: read as json does, whatever the size, and refused by record where they are damaged."""

import gzip
import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.device.exchange import results_file


def _detections(count: int) -> List[Dict[str, Any]]:
    random = np.random.RandomState(0)
    return [{"image_id": int(random.randint(1, 1 << 40)), "category_id": int(random.randint(1, 91)),
             "bbox": random.uniform(0, 300, 4).tolist(), "score": float(random.uniform())} for _ in range(count)]


def _write(path: Path, *records: Any) -> Path:
    path.write_text(json.dumps(list(records)))
    return path


_ONE = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3.5, 4], "score": 0.5}


@pytest.mark.parametrize("form", ["compact", "indented", "lines", "gzip", "utf-16", "byte-order mark"])
def test_a_file_is_read_as_json_reads_it_to_the_last_bit(tmp_path: Path, form: str,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    # Records lie across the ends of what is read at once.
    monkeypatch.setattr(results_file, "_CHUNK", 1 << 10)
    detections, path = _detections(300), tmp_path / "detections.json"
    text = json.dumps(detections, indent=1 if form == "indented" else None)
    if form == "lines":
        text = "".join(json.dumps(record) + "\n" for record in detections)
    encoding = {"utf-16": "utf-16", "byte-order mark": "utf-8-sig"}.get(form, "utf-8")
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if form == "gzip" else content)

    rows = results_file.read(path)

    assert rows.images.tolist() == [record["image_id"] for record in detections]
    assert rows.categories.tolist() == [record["category_id"] for record in detections]
    assert rows.boxes.tolist() == [record["bbox"] for record in detections]
    assert rows.scores.tolist() == [record["score"] for record in detections]


def test_no_detections_are_detections_too(tmp_path: Path) -> None:
    assert len(results_file.read(_write(tmp_path / "none.json")).images) == 0


def test_what_can_mean_one_thing_only_is_read_as_that(tmp_path: Path) -> None:
    path = _write(tmp_path / "d.json", {"image_id": "139", "category_id": 3.0, "bbox": ["1", 2, 3, 4], "score": "0.25",
                                        "segmentation": [], "id": 4})

    rows = results_file.read(path)

    assert (rows.images[0], rows.categories[0], rows.boxes[0].tolist(), rows.scores[0]) == (139, 3, [1, 2, 3, 4], 0.25)


@pytest.mark.parametrize(("change", "said"), [
    ({"image_id": "000000000139.jpg"}, "image_id '000000000139.jpg', which is not a whole number.*not by its file"),
    ({"image_id": 1 << 70}, "image_id .*too large"),
    ({"image_id": True}, "image_id True"),
    ({"category_id": "person"}, "category_id 'person', which is not a whole number"),
    ({"bbox": [1, 2, 3]}, r"bbox \[1, 2, 3\]; give four numbers"),
    ({"bbox": {"x": 1}}, "give four numbers"),
    ({"bbox": [1, 2, None, 4]}, "give numbers"),
    ({"bbox": [1, 2, float("nan"), 4]}, "of image 7, has the bbox .*four finite numbers"),
    ({"bbox": [1, 2, 1e300, 4]}, "four finite numbers"),
    ({"bbox": [10, 20, -3, 4]}, "negative width or height; give x, y, width and height, not corners"),
    ({"score": float("inf")}, "has the score inf"),
    ({"score": None}, "has the score None; give a number from 0 to 1"),
    ({"score": 87.5}, "has the score 87.5; .* they look like percent, divide them by 100"),
    ({"score": -3.25}, "before the sigmoid"),
])
def test_a_record_that_cannot_be_used_is_named(tmp_path: Path, change: Dict[str, Any], said: str) -> None:
    path = _write(tmp_path / "d.json", _ONE, {**_ONE, **change})

    with pytest.raises(DataError, match=f"record 1.*{said}") as raised:
        results_file.read(path)

    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(("record", "said"), [
    ({key: value for key, value in _ONE.items() if key != "score"}, "has no score; .*as an annotation has"),
    ({"image_id": 7, "category_id": 3, "segmentation": [], "score": 0.5}, "no bbox; it is a result of segmentation"),
    ({"bbox": [1, 2, 3, 4], "score": 0.5, "class": 3, "image_id": 7}, "has no category_id"),
])
def test_a_record_without_what_is_needed_says_what_it_looks_like(tmp_path: Path, record: Dict[str, Any],
                                                                 said: str) -> None:
    with pytest.raises(DataError, match=said):
        results_file.read(_write(tmp_path / "d.json", record))


_TEXT = json.dumps([_ONE, _ONE]).encode()


@pytest.mark.parametrize(("content", "said"), [
    (b"", "it is empty"),
    (_TEXT[:-10], "record 1 is cut short or damaged"),
    (_TEXT[:-1], "ends behind record 1, without ]"),
    (_TEXT + _TEXT, "something follows the array of 2 records; two files were joined"),
    (_TEXT.replace(b"}, {", b"} {"), "'{' stands behind record 0, not a comma"),
    (_TEXT.replace(b"}]", b"},]"), "a comma stands behind record 1, the last one"),
    (_TEXT.replace(b'"score": 0.5}]', b'"score": 0.5.5}]'), "record 1 is cut short or damaged"),
    (b"[1, 2]", "record 0 is not an object"),
    (b'{"images": [], "annotations": [], "categories": []}', "an object of 'images', 'annotations', 'categories', not"),
    (b"<!DOCTYPE html><html>", "it is a web page; the download failed"),
    (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    (gzip.compress(_TEXT)[:-12], "not readable"),
    (b"\xff" + _TEXT, "not readable"),
    (b'[{"image_id": ' + b"[" * 100_000, "nested too deeply|cut short or damaged"),
])
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(content)

    with pytest.raises(DataError, match=said) as raised:
        results_file.read(path)

    assert str(raised.value).startswith(str(path))


def test_a_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError, match="--device-detections"):
            results_file.read(path)


def test_images_whose_detections_are_all_there_twice_are_told(tmp_path: Path) -> None:
    other = {**_ONE, "score": 0.75}
    rows = results_file.read(_write(tmp_path / "d.json", _ONE, other, {**_ONE, "image_id": 8}, other, _ONE,
                                    {**_ONE, "image_id": 9}, {**_ONE, "image_id": 9}, {**other, "image_id": 9}))

    assert results_file.repeated(rows) == [7]
