"""All kinds of input, by name."""

from pathlib import Path
from typing import Callable, Mapping

from tests.fuzz import data_kinds, graph_kinds, kept_kinds, settings_kinds
from tests.fuzz.kind import Kind
from tests.fuzz.names import KINDS

_MAKERS: Mapping[str, Callable[[Path], Kind]] = {
    "tfrecords": data_kinds.tfrecords_kind,
    "annotations": data_kinds.annotations_kind,
    "images": data_kinds.images_kind,
    "card": settings_kinds.card_kind,
    "encodings": settings_kinds.encodings_kind,
    "encodings-lists": settings_kinds.encodings_lists_kind,
    "encodings-grids": settings_kinds.encodings_grids_kind,
    "configuration": settings_kinds.configuration_kind,
    "meta": graph_kinds.meta_kind,
    "index": graph_kinds.index_kind,
    "snapshot": kept_kinds.snapshot_kind,
    "baseline": kept_kinds.baseline_kind,
    "history": kept_kinds.history_kind,
    "report": kept_kinds.report_kind,
    "results": kept_kinds.results_kind,
    "detections": kept_kinds.detections_kind}


def make(folder: Path) -> Mapping[str, Kind]:
    """All kinds, with what their cases need in a folder."""
    return {name: _MAKERS[name](folder / name) for name in KINDS}
