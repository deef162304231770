"""A report's document as what its pages show: every number is text by then."""

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base.words import DEVICE, VARIANTS
from quant_accuracy.judging import baseline
from quant_accuracy.judging.verdicts import CHECK, GATE, OUTCOMES
from quant_accuracy.quantization.records import with_layer
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.document.read_report import DEPTH_KEY, REPAIR_KEY
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import depth, of_device, of_repair, side_by_side, tables
from quant_accuracy.reporting.page.tables import NAME, OUTCOME, PROSE, TEXT, Cell, Column, Fact, Group, Table

_NO_GATES = "no gates"
# Of a list of names, so many are shown; all of them are in the JSON.
_NAMES = 4
_RUNS = 10
_CULPRITS = 15
_CLASSES = 10
# What is heard of a quantizer in the outputs.
_HEARD = (Column("SQNR, dB"), Column("only on, dB"), Column("only off, dB"))
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def view(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show, in the order of the page."""
    outcomes = [verdict["outcome"] for verdict in document["verdicts"]]
    why, provenance = document["why"], document["provenance"]
    return {
        "model": document["model"],
        "outcome": overall(outcomes),
        "counts": _counts(document["verdicts"]),
        "ended": f"{_minute(document['run']['ended'])} UTC",
        "headline": _headline(document),
        "why": None if why is None else why["lines"],
        "repair": None if document[REPAIR_KEY] is None else of_repair.view(document[REPAIR_KEY]),
        "gates": _gates(document["verdicts"]),
        "checks": _checks(document["verdicts"]),
        "notes": list(document["notes"]),
        "figures": side_by_side.figures(document),
        "classes": side_by_side.classes(document),
        "errors": side_by_side.errors(document),
        "depth": None if document[DEPTH_KEY] is None else depth.view(document[DEPTH_KEY]),
        "quantized_tensors": _summary(document["quantizers"]),
        "quantizers": _quantizers(document["quantizers"], why),
        "batch_norms_left": [Fact(item["batch_norm"], item["reason"]) for item in document["batch_norms_left"]],
        "culprits": _culprits([] if why is None else why["sensitivity"]["quantizers"]),
        "sensitivity": None if why is None else _sensitivity(why["sensitivity"]),
        "bisection": None if why is None or why["bisection"] is None else _bisection(why),
        "attribution": None if why is None else _attribution(why["attribution"]),
        "device": of_device.view(document[DEVICE]),
        "images": _images(document["changed_images"]),
        "device_images": _images([] if document[DEVICE] is None else document[DEVICE]["changed_images"]),
        "history": _runs("The last runs", list(enumerate(document["history"], start=1))),
        "device_in_history": any(item["device_mAP"] is not None for item in document["history"]),
        "changes": _runs("Changes", [run for run in enumerate(document["history"], start=1) if run[1]["changed"]]),
        "provenance": _groups(provenance, "other"),
        "provenance_in_short": _in_short(provenance),
        "run": _run(document["run"]),
        "again": _again(document["run"]["retried"]),
    }


def overall(outcomes: Sequence[str]) -> str:
    """The worst outcome; a model without gates has not passed any."""
    return next((outcome for outcome in gate_table.WORST_FIRST if outcome in outcomes), _NO_GATES)


def _counts(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """How gates and checks ended: `4 gates and 11 checks: 14 pass, 1 fail`."""
    outcomes, kinds = ([verdict[key] for verdict in verdicts] for key in ("outcome", "kind"))
    counted = [f"{outcomes.count(outcome)} {outcome}" for outcome in OUTCOMES if outcome in outcomes]
    found = [f"{gate_table.counted(kinds)}: {', '.join(counted)}"] if counted else []
    return "; ".join([*found, *([] if GATE in kinds else ["the model card names no gates"])])


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


def _of_kind(verdicts: Sequence[Mapping[str, Any]], kind: str) -> List[Mapping[str, Any]]:
    """The gates or the checks, those that need a look first."""
    return sorted((verdict for verdict in verdicts if verdict["kind"] == kind),
                  key=lambda verdict: gate_table.WORST_FIRST.index(verdict["outcome"]))


def _checks(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    """The checks; `encodings_drift` alone has a value, and its message says it."""
    rows = [[Cell(verdict["gate"]), Cell(verdict["outcome"]), Cell(gate_table.shortened(verdict["message"]))]
            for verdict in _of_kind(verdicts, CHECK)]
    return Table("Checks", [Column("check", NAME), Column("verdict", OUTCOME), Column("message", PROSE)], rows)


def _gates(verdicts: Sequence[Mapping[str, Any]]) -> Table:
    """The gates."""
    rows = [[*map(Cell, gate_table.row(verdict)), Cell(gate_table.shortened(verdict["message"]))]
            for verdict in _of_kind(verdicts, GATE)]
    return Table("Gates", [Column("gate", NAME), Column("figure", NAME), Column("value"), Column("limit"),
                           Column("95 % interval"), Column("jitter"), Column("verdict", OUTCOME),
                           Column("message", PROSE)], rows)


def _summary(quantizers: Sequence[Mapping[str, Any]]) -> str:
    """How many quantizers there are: `163 of 278 quantizers are on: 72 params, 91 activations`."""
    on = [item["kind"] for item in quantizers if item["enabled"]]
    kinds = ", ".join(f"{on.count(kind)} {kind}{'' if on.count(kind) == 1 else 's'}"
                      for kind in sorted(set(on), reverse=True))
    return f"{len(on)} of {len(quantizers)} quantizers are on{': ' if kinds else ''}{kinds}"


def _quantizers(quantizers: Sequence[Mapping[str, Any]], why: Any) -> Table:
    """All quantizers in the network's order; where it is known what each does to the outputs, the worst first."""
    columns = [Column("tensor", NAME), Column("#", order="" if why else "ascending"), Column("kind", TEXT),
               Column("bits"), Column("symmetric", TEXT), Column("range"), Column("rule", TEXT)]
    rows = {item["tensor"]: [Cell(item["tensor"]), Cell(str(place)), Cell(item["kind"]), *_settings(item),
                             _range(item["ranges"]), Cell(item["rule"])]
            for place, item in enumerate(quantizers, start=1)}
    if why is None:
        return Table("Quantizers", columns, list(rows.values()), sortable=True)
    heard = {item["tensor"]: item for item in why["sensitivity"]["quantizers"]}
    order = [*(tensor for tensor in heard if tensor in rows), *(tensor for tensor in rows if tensor not in heard)]
    told = [[_placed(rows[tensor][0], heard.get(tensor)), *rows[tensor][1:], *_heard(heard.get(tensor))]
            for tensor in order]
    return Table("Quantizers", [*columns, *_HEARD], told, sortable=True)


def _heard(heard: Optional[Mapping[str, Any]]) -> List[Cell]:
    """What is heard of a quantizer, if it was listened to."""
    return [Cell(NOTHING if heard is None else tables.decibels(heard[key])) for key in ("sqnr", "only_on", "only_off")]


def _placed(cell: Cell, heard: Optional[Mapping[str, Any]]) -> Cell:
    """The name of a tensor, with its layer below it where the name does not tell."""
    told = "" if heard is None else with_layer(heard["tensor"], heard["layer"])[len(cell.text):].strip()
    return cell._replace(small=told)


def _settings(item: Mapping[str, Any]) -> List[Cell]:
    return ([Cell(str(item["bitwidth"])), Cell("yes" if item["symmetric"] else "no")] if item["enabled"]
            else [Cell("off"), Cell(NOTHING)])


def _range(ranges: Sequence[Sequence[float]]) -> Cell:
    """The range, or that of all channels; wider ranges sort as larger."""
    if not ranges:
        return Cell(NOTHING)
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    channels = f"{len(ranges)} channels" if len(ranges) > 1 else ""
    return Cell(tables.between((low, high), "{:.4g}".format), channels, f"{high - low:.6g}")


def _sensitivity(sensitivity: Mapping[str, Any]) -> str:
    outputs = ", ".join(sensitivity["outputs"])
    return (f"Ratio of signal to quantization noise on {sensitivity['images']} images. SQNR: of the tensor itself. "
            f"Only on, only off: of the outputs ({outputs}), which have {tables.decibels(sensitivity['all_on'])} dB "
            f"with all quantizers on. {tables.INFINITE}: no noise.")


def _culprits(quantizers: Sequence[Mapping[str, Any]]) -> Table:
    """The few most harmful quantizers."""
    rows = [[Cell(with_layer(item["tensor"], item["layer"])), *_heard(item)] for item in quantizers[:_CULPRITS]]
    return Table("The most harmful quantizers", [Column("quantizer", NAME), *_HEARD], rows)


def _bisection(why: Mapping[str, Any]) -> Dict[str, Any]:
    bisection, labels = why["bisection"], {item["tensor"]: with_layer(item["tensor"], item["layer"])
                                           for item in why["sensitivity"]["quantizers"]}
    off, met = [labels.get(tensor, tensor) for tensor in bisection["off"]], bisection["met"]
    count = "1 quantizer" if len(off) == 1 else f"{len(off)} quantizers"
    count += f" ({bisection['name']})" if len(off) > 1 else ""
    answer = f"{'met' if met else 'not met'} with {count} off" if off else "no such set was found"
    if met and off and bisection["smallest"]:
        answer += "; with any one of them on again it is not met"
    rows = [[*_trial(trial["name"], trial["off"], labels), Cell("off"), *_outcome(trial)]
            for trial in bisection["trials"]]
    rows += [[*_trial(item["name"], item["tensors"], labels), _bits(item), *_outcome(item)]
             for item in bisection["raised"]]
    return {"goal": bisection["goal"], "answer": answer, "off": off, "note": bisection["note"],
            "measured": [Fact("mAP", number(bisection["mAP"])), Fact("drop", number(bisection["drop"]))],
            "trials": Table("Trials", [Column("quantizers", NAME), Column("number"), Column("were", TEXT),
                                       Column("mAP"), Column("drop"), Column("goal met", TEXT)], rows)}


def _trial(name: str, tensors: Sequence[str], labels: Mapping[str, str]) -> List[Cell]:
    """A set in words, or by the names of a few, and how many they are."""
    few = len(tensors) <= _NAMES
    return [Cell(_named([labels.get(tensor, tensor) for tensor in tensors]) if few else name), Cell(str(len(tensors)))]


def _bits(item: Mapping[str, Any]) -> Cell:
    off = f", {len(item['off'])} others off" if item["off"] else ""
    return Cell(f"at {item['bitwidth']} bits{off}")


def _outcome(trial: Mapping[str, Any]) -> List[Cell]:
    return [*tables.numbers(trial["mAP"], trial["drop"]), Cell("yes" if trial["met"] else "no")]


def _attribution(attribution: Mapping[str, Any]) -> Dict[str, Any]:
    images = attribution["images"]
    classes = [[Cell(item["name"]), Cell(number(item["drop"])), Cell(tables.percent(item["share"]))]
               for item in attribution["classes"][:_CLASSES]]
    errors = [[Cell(item["kind"]), Cell(number(item["dap"]))] for item in attribution["errors"]]
    return {"classes": Table("The drop by class", [Column("class", NAME), Column("drop"), Column("share")], classes),
            "errors": Table("The drop by kind of error", [Column("kind of error", NAME), Column("AP50 lost")], errors),
            "images": f"Without {images['count']} of the images the mAP drop is {number(images['drop_without'])}: "
                      f"{', '.join(map(str, images['image_ids']))}." if images["image_ids"] else ""}


def _images(images: Sequence[Mapping[str, Any]]) -> List[Dict[str, str]]:
    return [{"id": str(item["image_id"]), "file_name": item["file_name"], "before": number(item["float"]),
             "after": number(item["quantized"]), "picture": item["picture"],
             "device": "" if item["device"] is None else number(item["device"])} for item in images]


def _runs(label: str, runs: Sequence[Tuple[int, Mapping[str, Any]]]) -> Table:
    """The last of these runs, newest first, with their numbers in the plot."""
    shown = runs[:-_RUNS - 1:-1]
    keys = {"float": "float_mAP", "quantized": "quantized_mAP", side_by_side.DROP: "drop"}
    if any(item["device_mAP"] is not None for _, item in shown):
        keys = {"float": "float_mAP", "quantized": "quantized_mAP", DEVICE: "device_mAP", side_by_side.DROP: "drop",
                of_device.DROP: "device_drop"}
    rows = [[Cell(f"#{place}", _minute(item["time"])), *tables.numbers(*(item[key] for key in keys.values())),
             Cell(str(item["images"])), Cell(_named(item["changed"]) or NOTHING)] for place, item in shown]
    return Table(label, [Column("run, UTC", NAME), *map(Column, keys), Column("images"),
                         Column("changed since", TEXT)], rows)


def _minute(time: str) -> str:
    """A time as people write it: `2019-10-15 12:00`."""
    return time[:16].replace("T", " ")


def _named(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def _groups(values: Mapping[str, Any], rest: str) -> List[Group]:
    """Entries by their group; those without one come first, under the name `rest`."""
    single = _entries({name: value for name, value in values.items() if not isinstance(value, Mapping)})
    grouped = [Group(name, _entries(baseline.flat(value))) for name, value in values.items()
               if isinstance(value, Mapping)]
    return [*([Group(rest, single)] if single else []), *grouped]


def _run(run: Mapping[str, Any]) -> List[Group]:
    """What was run, and what had to be run again, if anything had."""
    again = _again(run["retried"])
    return [*_groups({name: value for name, value in run.items() if name != "retried"}, "time"),
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
