"""A report's document as what its pages show: every number is text by then."""

import json
import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from quant_accuracy.base.words import DEVICE, VARIANTS
from quant_accuracy.judging import baseline
from quant_accuracy.reporting.document.read_report import DEPTH_KEY, REPAIR_KEY
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import (
    depth,
    evidence,
    of_confusion,
    of_device,
    of_repair,
    quantizer_table,
    shots,
    side_by_side,
    tables,
    verdict_tables,
    why_section,
)
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Fact, Group, Table

_RUNS = 10
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def view(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show, in the order of the page."""
    outcomes = [verdict["outcome"] for verdict in document["verdicts"]]
    shown = shots.view(document["changed_images"], "images")
    on_device = shots.view([] if document[DEVICE] is None else document[DEVICE]["changed_images"], "device-images")
    why, provenance, proofs = document["why"], document["provenance"], evidence.find(document)
    return {
        "model": document["model"],
        "outcome": verdict_tables.overall(outcomes),
        "counts": verdict_tables.counts(document["verdicts"]),
        "ended": f"{_minute(document['run']['ended'])} UTC",
        "headline": _headline(document),
        "why": None if why is None else why["lines"],
        "repair": None if document[REPAIR_KEY] is None else of_repair.view(document[REPAIR_KEY]),
        "gates": verdict_tables.gates(document["verdicts"], proofs),
        "checks": verdict_tables.checks(document["verdicts"], proofs),
        "notes": list(document["notes"]),
        "proves": {name: proofs.of_section.get(name, ()) for name in evidence.HEADINGS},
        "badge": verdict_tables.first_to_look_at(document["verdicts"]),
        "snapshot": evidence.snapshot(document),
        "figures": side_by_side.figures(document),
        "classes": side_by_side.classes(document),
        "errors": side_by_side.errors(document),
        "confusion": of_confusion.view(document),
        "depth": None if document[DEPTH_KEY] is None else depth.view(document[DEPTH_KEY]),
        "quantized_tensors": quantizer_table.summary(document["quantizers"]),
        "quantizers": quantizer_table.show(document, proofs),
        "batch_norms_left": [Fact(item["batch_norm"], item["reason"]) for item in document["batch_norms_left"]],
        "culprits": why_section.culprits([] if why is None else why["sensitivity"]["quantizers"]),
        "sensitivity": None if why is None else why_section.sensitivity(why["sensitivity"]),
        "bisection": None if why is None or why["bisection"] is None else why_section.bisection(document),
        "attribution": None if why is None else why_section.attribution(document),
        "device": of_device.view(document[DEVICE]),
        "images": shown,
        "image_classes": shots.classes(shown),
        "device_images": on_device,
        "device_image_classes": shots.classes(on_device),
        "history": _runs("Last runs", list(enumerate(document["history"], start=1))),
        "device_in_history": any(item["device_mAP"] is not None for item in document["history"]),
        "changes": _runs("Changes", [run for run in enumerate(document["history"], start=1) if run[1]["changed"]]),
        "provenance": _groups(provenance, "other"),
        "provenance_in_short": _in_short(provenance),
        "command": document["run"]["command"],
        "run": _run(document["run"]),
        "again": _again(document["run"]["retried"]),
    }


def _headline(document: Mapping[str, Any]) -> List[Fact]:
    metrics, intervals = document["metrics"], document["intervals"]
    found = [Fact(f"{side} mAP", number(metrics[side]["figures"].get("mAP")),
                   tables.between(intervals[side].get("mAP"))) for side in VARIANTS]
    found.append(Fact("mAP drop", number(document["mAP_drop"]), tables.between(intervals["drop"].get("mAP"))))
    found += of_device.headline(document[DEVICE])
    before, after = (metrics[side]["per_class"] for side in VARIANTS)
    worst = next(iter(tables.worst_first(before, after)), "")
    if tables.drop(before.get(worst), after.get(worst)) is not None:
        found.append(Fact("largest drop of a class", number(tables.drop(before[worst], after[worst])), worst))
    return [*found, Fact("images", text(document["images"]), f"shards {document['shards']}")]


def _runs(label: str, runs: Sequence[Tuple[int, Mapping[str, Any]]]) -> Table:
    """The last of these runs, newest first, with their numbers in the plot."""
    shown = runs[:-_RUNS - 1:-1]
    keys = {"float": "float_mAP", "quantized": "quantized_mAP", side_by_side.DROP: "drop"}
    if any(item["device_mAP"] is not None for _, item in shown):
        keys = {"float": "float_mAP", "quantized": "quantized_mAP", DEVICE: "device_mAP", side_by_side.DROP: "drop",
                of_device.DROP: "device_drop"}
    rows = [[Cell(f"#{place}", _minute(item["time"])), *tables.numbers(*(item[key] for key in keys.values())),
             Cell(str(item["images"])), Cell(tables.named(item["changed"]) or NOTHING)] for place, item in shown]
    return Table(label, [Column("run, UTC", NAME), *map(Column, keys), Column("images"),
                         Column("changed since", TEXT)], rows)


def _minute(time: str) -> str:
    """A time as people write it: `2019-10-15 12:00`."""
    return time[:16].replace("T", " ")


def _groups(values: Mapping[str, Any], rest: str) -> List[Group]:
    """Entries by their group; those without one come last, under the name `rest`."""
    single = _entries({name: value for name, value in values.items() if not isinstance(value, Mapping)})
    grouped = [Group(name, _entries(baseline.flat(value))) for name, value in values.items()
               if isinstance(value, Mapping)]
    return [*grouped, *([Group(rest, single)] if single else [])]


def _run(run: Mapping[str, Any]) -> List[Group]:
    """What was run, and what had to be run again, if anything had."""
    again = _again(run["retried"])
    return [*_groups({name: value for name, value in run.items() if name not in ("retried", "command")}, "time"),
            *([Group("run again", again)] if again else [])]


def _again(retried: Sequence[Mapping[str, Any]]) -> List[Fact]:
    """The shards that had to be run again, and why."""
    return [Fact(f"shard {item['shard']}", f"{item['reason']} (executor {item['executor']})") for item in retried]


def _in_short(provenance: Mapping[str, Any]) -> List[Fact]:
    """The provenance without its shards, one by one, and with short digests."""
    flat = baseline.flat(provenance)
    return _entries({name: _DIGEST.sub(lambda digest: digest.group()[:12], value) if isinstance(value, str) else value
                     for name, value in flat.items() if ".shards." not in f".{name}"})


def _entries(values: Mapping[str, Any]) -> List[Fact]:
    return [Fact(name, text(value)) for name, value in values.items()]


def text(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
