"""The table of the lanes shows what differs."""

import json
from typing import Any, Dict

import numpy as np
import pytest

from benchmarks import agreement_of_lanes
from quant_accuracy.base.words import VARIANTS


def _record() -> Dict[str, Any]:
    random = np.random.RandomState(0)
    found: Dict[str, Any] = {
        "about": json.dumps({"versions": "a lane", "figures": dict.fromkeys(VARIANTS, 0.5), "red": [],
                             "jitter": dict.fromkeys(VARIANTS, 0.001),
                             "quantizers": [["a", "a:0", "param", 8, True], ["b", "b:0", "activation", 8, True]]}),
        "pixels": np.zeros([1, 2, 2, 3], np.uint8), "encodings": np.array([[-1.0, 1.0], [0.0, 4.0]])}
    for variant in VARIANTS:
        found.update({f"{variant}/images": np.array([1, 1, 2]), f"{variant}/categories": np.array([3, 4, 3]),
                      f"{variant}/scores": np.array([0.9, 0.8, 0.1]),
                      f"{variant}/boxes": np.array([[0.0, 0.0, 10.0, 20.0], [5.0, 5.0, 10.0, 10.0],
                                                    [1.0, 1.0, 2.0, 2.0]])})
        for name in ("concat", "concat_1", "concat/floor", "concat_1/floor"):
            found[f"{variant}/{name}"] = random.normal(size=[2, 5]).astype(np.float32)
    return found


def _row(table: str, words: str) -> str:
    (row,) = [line for line in table.splitlines() if words in line]
    return row


def test_lanes_that_are_the_same_differ_in_nothing() -> None:
    table = agreement_of_lanes.table(_record(), _record())

    assert "| 2 of 2 |" in _row(table, "quantizers that are the same")
    assert "| 0.0e+00 |" in _row(table, "encodings, largest")
    assert "| 0 of 12 |" in _row(table, "values of 4 decoded")
    assert "| 0 of 4 |" in _row(table, "quantized detections")
    assert "| inf inf |" in _row(table, "SQNR of float/concat,")


@pytest.mark.parametrize(("key", "change", "words", "shown"), [
    ("encodings", lambda values: values + [[0.0, 0.0], [0.0, 0.4]], "encodings, largest", "1.0e-01"),
    ("pixels", lambda values: values + np.eye(2, dtype=np.uint8)[None, :, :, None], "values of 4 decoded", "6 of 12"),
    ("quantized/categories", lambda values: np.array([3, 5, 3]), "quantized detections", "2 of 4"),
    ("float/boxes", lambda values: values + [1.0, 0.0, 0.0, 0.0], "float detections", "4 of 4"),
    ("float/boxes", lambda values: values + [0.1, 0.0, 0.0, 0.0], "float detections", "0 of 4"),
    ("float/concat", lambda values: values * 1.1, "SQNR of float/concat,", "20.0 20.0"),
])
def test_what_differs_is_in_its_row(key: str, change: Any, words: str, shown: str) -> None:
    other = _record()
    other[key] = change(other[key])

    assert f"| {shown} |" in _row(agreement_of_lanes.table(_record(), other), words)


def test_a_new_table_takes_the_place_of_the_old_one_and_nothing_else() -> None:
    page = agreement_of_lanes.PAGE.read_text(encoding="utf-8")

    once = agreement_of_lanes.with_table(page, "| new |")

    assert once.count("| new |") == 1
    assert agreement_of_lanes.with_table(once, "| newer |").replace("| newer |", "| new |") == once
    assert once.split(agreement_of_lanes.BEGIN)[0] == page.split(agreement_of_lanes.BEGIN)[0]
    assert once.split(agreement_of_lanes.END)[1] == page.split(agreement_of_lanes.END)[1]
