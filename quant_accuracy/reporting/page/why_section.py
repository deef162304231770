"""What the page shows of the answer to "why?": the ranking, which quantizers have to go, where the drop lies."""

from typing import Any, Dict, List, Mapping, Sequence

from quant_accuracy.quantization.records import with_layer
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import evidence, tables
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Fact, Link, Table

_CULPRITS = 15
_CLASSES = 10
# What is heard of a quantizer in the outputs.
HEARD = (Column("SQNR, dB"), Column("only on, dB"), Column("only off, dB"))


def heard(item: Any) -> List[Cell]:
    """What is heard of a quantizer, if it was listened to."""
    return [Cell(NOTHING if item is None else tables.decibels(item[key])) for key in ("sqnr", "only_on", "only_off")]


def sensitivity(found: Mapping[str, Any]) -> str:
    """What the figures of the ranking are."""
    outputs = ", ".join(found["outputs"])
    return (f"Ratio of signal to quantization noise on {found['images']} images. SQNR: of the tensor itself. "
            f"Only on, only off: of the outputs ({outputs}), which have {tables.decibels(found['all_on'])} dB "
            f"with all quantizers on. {tables.INFINITE}: no noise.")


def culprits(quantizers: Sequence[Mapping[str, Any]]) -> Table:
    """The few most harmful quantizers."""
    rows = [[Cell(with_layer(item["tensor"], item["layer"])), *heard(item)] for item in quantizers[:_CULPRITS]]
    return Table("The most harmful quantizers", [Column("quantizer", NAME), *HEARD], rows)


def bisection(document: Mapping[str, Any]) -> Dict[str, Any]:
    """The smallest set of quantizers without which the goal is met, and how it was found."""
    found, labels = document["why"]["bisection"], {item["tensor"]: with_layer(item["tensor"], item["layer"])
                                                   for item in document["why"]["sensitivity"]["quantizers"]}
    places = {item["tensor"]: place for place, item in enumerate(document["quantizers"], start=1)}
    off, met = found["off"], found["met"]
    count = "1 quantizer" if len(off) == 1 else f"{len(off)} quantizers"
    count += f" ({found['name']})" if len(off) > 1 else ""
    answer = f"{'met' if met else 'not met'} with {count} off" if off else "no such set was found"
    if met and off and found["smallest"]:
        answer += "; with any one of them on again it is not met"
    rows = [[*_trial(trial["name"], trial["off"], labels), Cell("off"), *_outcome(trial)] for trial in found["trials"]]
    rows += [[*_trial(item["name"], item["tensors"], labels), _bits(item), *_outcome(item)] for item in found["raised"]]
    return {"goal": found["goal"], "answer": answer, "note": found["note"],
            "off": [Link(labels.get(tensor, tensor), evidence.quantizer_anchor(places[tensor])
                         if tensor in places else "") for tensor in off],
            "measured": [Fact("mAP", number(found["mAP"])), Fact("drop", number(found["drop"]))],
            "trials": Table("Trials", [Column("quantizers", NAME), Column("number"), Column("were", TEXT),
                                       Column("mAP"), Column("drop"), Column("goal met", TEXT)], rows)}


def _trial(name: str, tensors: Sequence[str], labels: Mapping[str, str]) -> List[Cell]:
    """A set in words, or by the names of a few, and how many they are."""
    few = len(tensors) <= tables.NAMES
    return [Cell(tables.named([labels.get(tensor, tensor) for tensor in tensors]) if few else name),
            Cell(str(len(tensors)))]


def _bits(item: Mapping[str, Any]) -> Cell:
    off = f", {len(item['off'])} others off" if item["off"] else ""
    return Cell(f"at {item['bitwidth']} bits{off}")


def _outcome(trial: Mapping[str, Any]) -> List[Cell]:
    return [*tables.numbers(trial["mAP"], trial["drop"]), Cell("yes" if trial["met"] else "no")]


def attribution(document: Mapping[str, Any]) -> Dict[str, Any]:
    """Where the drop lies: classes, kinds of error, images."""
    found = document["why"]["attribution"]
    images, shown = found["images"], {item["image_id"] for item in document["changed_images"]}
    classes = [[Cell(item["name"]), Cell(number(item["drop"])), Cell(tables.percent(item["share"]))]
               for item in found["classes"][:_CLASSES]]
    errors = [[Cell(item["kind"]), Cell(number(item["dap"]))] for item in found["errors"]]
    return {"classes": Table("The drop by class", [Column("class", NAME), Column("drop"), Column("share")], classes),
            "errors": Table("The drop by kind of error", [Column("kind of error", NAME), Column("AP50 lost")], errors),
            "images": f"Without {images['count']} of the images the mAP drop is {number(images['drop_without'])}:"
                      if images["image_ids"] else "",
            "image_ids": [Link(str(image), evidence.image_anchor(image) if image in shown else "")
                          for image in images["image_ids"]]}
