"""What a report's page shows of a device: its columns beside those of the other variants, and where it differs."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import tables
from quant_accuracy.reporting.page.tables import NAME, Cell, Column, Fact, Figures, Table

# What the device loses against the simulation, and against the float variant.
DROP, WHOLE = "device drop", "whole drop"
# Where intervals of the columns are, in `device.intervals` of the document.
FIGURE_INTERVALS = {DEVICE: "device", DROP: "drop", WHOLE: "whole_drop"}
CLASS_INTERVALS = {DROP: "class_drop", WHOLE: "whole_class_drop"}
Device = Optional[Mapping[str, Any]]


def beside(columns: Sequence[Figures], device: Device, kind: str, intervals: Mapping[str, str]) -> List[Figures]:
    """The columns of both variants and of their drop, with those of the device after each, if there is one.

    Args:
        columns: Float, quantized, drop.
        device: What the document says of a device.
        kind: `figures` or `per_class`.
        intervals: Where those of the device are; see `FIGURE_INTERVALS`.
    """
    if device is None:
        return list(columns)
    floats, simulated, found = (device["metrics"][side][kind] for side in (FLOAT, QUANTIZED, DEVICE))
    known = {name: device["intervals"][key] for name, key in intervals.items()}
    return [*columns[:2], Figures(DEVICE, found, known.get(DEVICE, {})), *columns[2:],
            Figures(DROP, tables.drops(simulated, found), known[DROP]),
            Figures(WHOLE, tables.drops(floats, found), known[WHOLE])]


def headline(device: Device) -> List[Fact]:
    """What stands at the top of the page."""
    if device is None:
        return []
    ends, agreed = device["intervals"], device["agreement"]
    on = f"on {device['images']} images" if device["missing"] else ""
    share = "" if agreed["interval"] is None else tables.between(agreed["interval"])
    return [Fact("device mAP", number(device["metrics"][DEVICE]["figures"]["mAP"]),
                 on or tables.between(ends[DEVICE].get("mAP"))),
            Fact(f"{DROP} of mAP", number(device["mAP_drop"]), tables.between(ends["drop"].get("mAP"))),
            Fact("device agreement", number(agreed["share"]),
                 share or f"{agreed['agreed']} of {agreed['simulated']} detections")]


def view(device: Device) -> Optional[Dict[str, Any]]:
    """What the templates show; None without a device."""
    if device is None:
        return None
    agreed = device["agreement"]
    return {"missing": _missing(device), "agreement": _agreement(agreed),
            "rule": {name: f"{agreed[name]:g}" for name in ("score", "other_score", "iou")},
            "agreement_by_class": _by_class(agreed)}


def _missing(device: Mapping[str, Any]) -> str:
    if not device["missing"]:
        return ""
    return (f"The device ran {device['images']} of the {device['images'] + device['missing']} evaluated images. Its "
            f"figures, {DROP} and {WHOLE} are of these.")


def _agreement(agreed: Mapping[str, Any]) -> List[Fact]:
    share = f"{number(agreed['share'])} ({agreed['agreed']} of {agreed['simulated']})"
    ends = tables.between(agreed["interval"])
    alone = agreed["device"] - agreed["device_agreed"]
    lacking = ", ".join(f"{reason} {count}" for reason, count in agreed["lacking"].items() if count)
    found = [Fact("found by the device", f"{share}, 95 % interval {ends}" if ends else share),
             Fact("not found", lacking or "none"),
             Fact("found by the device only",
                  f"{alone} of its {agreed['device']} with a score of at least {agreed['score']:g}")]
    if agreed["mean_iou"] is not None:
        found += [Fact("mean IoU", number(agreed["mean_iou"])),
                  Fact("score, device - simulation", f"mean {agreed['mean_score_difference']:+.4f}, 95 % within "
                                                     f"±{agreed['large_score_difference']:.4f}")]
    return found


def _by_class(agreed: Mapping[str, Any]) -> Table:
    """The classes, those with the smallest share first."""
    classes = agreed["classes"]
    order = sorted(classes, key=lambda name: (classes[name]["agreed"] / classes[name]["simulated"], name))
    rows = [[Cell(name), Cell(number(classes[name]["agreed"] / classes[name]["simulated"])),
             Cell(str(classes[name]["agreed"])), Cell(str(classes[name]["simulated"]))] for name in order]
    return Table("Agreement by class", [Column("class", NAME), Column("share", order="ascending"),
                                        Column("device has"), Column("simulation has")], rows, sortable=True)
