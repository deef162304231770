"""Tables that set the variants of a report side by side: figures, classes, kinds of error."""

from typing import Any, Mapping

from quant_accuracy.base.words import DEVICE, VARIANTS
from quant_accuracy.reporting.gate_table import number
from quant_accuracy.reporting.page import of_device, tables
from quant_accuracy.reporting.page.tables import NAME, Cell, Column, Figures, Table
from quant_accuracy.scoring.metrics import FIGURES

DROP = "drop"


def figures(document: Mapping[str, Any]) -> Table:
    """COCO's figures."""
    before, after = (document["metrics"][side]["figures"] for side in VARIANTS)
    columns = [*(Figures(side, document["metrics"][side]["figures"], document["intervals"][side]) for side in VARIANTS),
               Figures(DROP, tables.drops(before, after), document["intervals"]["drop"])]
    return tables.compare("COCO's figures", "figure", FIGURES,
                          of_device.beside(columns, document[DEVICE], "figures", of_device.FIGURE_INTERVALS))


def classes(document: Mapping[str, Any]) -> Table:
    """The AP of each class, the worst drop first."""
    before, after = (document["metrics"][side]["per_class"] for side in VARIANTS)
    columns = [Figures("float", before), Figures("quantized", after),
               Figures(DROP, tables.drops(before, after), document["intervals"]["class_drop"])]
    return tables.compare("AP by class", "class", tables.worst_first(before, after),
                          of_device.beside(columns, document[DEVICE], "per_class", of_device.CLASS_INTERVALS), DROP)


def errors(document: Mapping[str, Any]) -> Table:
    """Where AP50 is lost, by kind of error."""
    found, device = document["errors"], document[DEVICE]
    sides = {side: found[side] for side in VARIANTS}
    lost = {**sides, "difference": found["difference"]}
    if device is not None:
        sides[DEVICE] = device["errors"][DEVICE]
        lost = {**sides, "difference": found["difference"], "device difference": device["errors"]["difference"]}
    rows = [[Cell(kind), *(Cell(number(side["dap"][kind]), f"{side['counts'][kind]:,}" if name in sides else "")
                           for name, side in lost.items())] for kind in found[VARIANTS[0]]["counts"]]
    return Table("Kinds of error", [Column("kind of error", NAME), *map(Column, lost)], rows)
