"""The schema of report.json: it takes what reports are, refuses what they are not, and explains every property."""

import copy
from typing import Any, Callable, Dict, Iterator, Tuple

import jsonschema
import pytest

from quant_accuracy.judging.verdicts import OUTCOMES
from quant_accuracy.scoring.metrics import FIGURES
from tests.support import repair_documents, report_documents

_SCHEMA = report_documents.SCHEMA
_DOCUMENTS = {"without why, history and pictures": report_documents.document(),
              "with all": report_documents.everything(), "large": report_documents.large(),
              "with a device": report_documents.document(device=report_documents.device(), changed_images=[
                  {**report_documents.changed_image(4, "images/4.jpg"), "device": 0.4}]),
              "with a device on some images": report_documents.document(device=report_documents.device(missing=4)),
              "with a repair": report_documents.document(repair=repair_documents.repair()),
              "with a repair that found nothing": report_documents.document(repair=repair_documents.repair(
                  attempts=[repair_documents.failed()], chosen=None, found=False, ended="interrupted")),
              "without bisection": report_documents.document(why=report_documents.why(bisection=None)),
              "without curves": report_documents.document(curves={
                  **report_documents.curves(), "mean": {side: dict.fromkeys(("0.50", "0.75", "0.50:0.95"))
                                                        for side in ("float", "quantized")}})}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(_SCHEMA)


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_what_a_report_is_is_taken(name: str) -> None:
    assert not report_documents.schema_errors(_DOCUMENTS[name])


def _set(*path: Any) -> Callable[[Dict[str, Any]], None]:
    """What puts the last part of a path at the place that the others name."""
    def change(document: Any) -> None:
        for key in path[:-2]:
            document = document[key]
        document[path[-2]] = path[-1]

    return change


def _cut(*path: Any) -> Callable[[Dict[str, Any]], None]:
    """What takes away what lies at a path."""
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


@pytest.mark.parametrize("change", [
    _cut("model"), _cut("why"), _cut("metrics", "float", "figures", "AR1"), _cut("verdicts", 0, "jitter"),
    _cut("why", "bisection", "goal"), _cut("why", "bisection", "raised"), _cut("history", 0, "changed"),
    _cut("run", "machine", "cores"),
    _set("surprise", 1), _set("metrics", "third", {}), _set("quantizers", 0, "colour", "red"),
    _set("intervals", "drop", "AP60", None), _set("why", "sensitivity", "quantizers", 0, "sqnr_db", 1.0),
    _set("schema_version", 2), _set("verdicts", 0, "outcome", "skipped"), _set("quantizers", 0, "kind", "bias"),
    _set("metrics", "float", "figures", "mAP", 1.5), _set("metrics", "float", "per_class", "cat", "0.5"),
    _set("intervals", "float", "mAP", [0.1]), _set("curves", "mean", "float", "0.50", [0.5] * 100),
    _set("run", "ended", "yesterday"), _set("changed_images", 0, "image_id", "17"), _set("images", -1),
])
def test_what_a_report_is_not_is_refused(change: Callable[[Dict[str, Any]], None]) -> None:
    document = copy.deepcopy(_DOCUMENTS["with all"])
    change(document)

    assert report_documents.schema_errors(document)


@pytest.mark.parametrize("change", [
    _cut("repair", "line"), _cut("repair", "before", "front"), _cut("repair", "chosen", "held_back"),
    _set("repair", "ended", "bored"), _set("repair", "attempts", 0, "drop_interval", [0.1]),
    _set("repair", "attempts", 0, "gates", "mAP_drop", "maybe"), _set("repair", "images", "search", -1),
    _set("repair", "chosen", "all", "mAP", 1.5), _set("repair", "surprise", 1), _cut("repair"),
])
def test_what_a_repair_is_not_is_refused(change: Callable[[Dict[str, Any]], None]) -> None:
    document = copy.deepcopy(_DOCUMENTS["with a repair"])
    change(document)

    assert report_documents.schema_errors(document)


def _properties(schema: Any, path: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], Dict[str, Any]]]:
    """All properties below a schema, with where they are."""
    if isinstance(schema, list):
        for item in schema:
            yield from _properties(item, path)
    elif isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield (*path, name), value
        for name, value in schema.items():
            yield from _properties(value, path if name == "properties" else (*path, name))


def test_every_property_is_described_in_a_sentence() -> None:
    found = list(_properties(_SCHEMA))

    assert len(found) > 100
    assert not [path for path, schema in found if not schema.get("description", "").endswith(".")]


def test_keys_that_are_fixed_are_required_and_no_others_are_taken() -> None:
    def fixed(schema: Any) -> Iterator[Dict[str, Any]]:
        if isinstance(schema, dict):
            # A name of a property may be that of a keyword, but its value is a schema with a description.
            if isinstance(schema.get("properties"), dict) and "description" not in schema["properties"]:
                yield schema
            for value in schema.values():
                yield from fixed(value)

    found = list(fixed(_SCHEMA))

    assert len(found) > 20
    assert all(set(schema["required"]) == set(schema["properties"]) for schema in found)
    assert all(schema["additionalProperties"] is False for schema in found)


def test_names_are_those_of_the_engine() -> None:
    assert list(_SCHEMA["$defs"]["figures"]["properties"]) == list(FIGURES)
    assert list(_SCHEMA["$defs"]["figure_intervals"]["properties"]) == list(FIGURES)
    assert sorted(_SCHEMA["$defs"]["verdict"]["properties"]["outcome"]["enum"]) == sorted(OUTCOMES)
