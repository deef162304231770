"""The section of a report that shows where simulation and integer model part: its table, and its plot over depth."""

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.reporting.gate_table import NOTHING
from quant_accuracy.reporting.page import tables
from quant_accuracy.reporting.page.tables import NAME, PROSE, TEXT, Cell, Column, Table

# Of the ops that are not healthy Markdown shows so many.
FEW = 10
_STEPS = (Column("most, steps"), Column("mean, steps"), Column("beyond one step"), Column("accumulated, RMS"))


def view(depth: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show of a report's `device_depth`."""
    ops: Sequence[Mapping[str, Any]] = depth["ops"]
    worst = [ops[place] for place in depth["unhealthy"]]
    return {"lines": depth["lines"], "kind": depth["kind"], "runtime": depth["runtime"], "images": str(depth["images"]),
            "worst": _worst(worst), "worst_few": _worst(worst[:FEW]), "all": _all(ops), "left_out": depth["left_out"]}


def _worst(ops: Sequence[Mapping[str, Any]]) -> Table:
    """The ops that are not healthy, worst first, with what is known of the cause."""
    rows = [[*_op(op), *_figures(op), Cell("; ".join(op["causes"]) or NOTHING)] for op in ops]
    return Table("Ops with a local error, worst first",
                 [Column("tensor", NAME), Column("#"), Column("op", TEXT), *_STEPS, Column("cause", PROSE)], rows)


def _all(ops: Sequence[Mapping[str, Any]]) -> Table:
    """All ops in the network's order."""
    rows = [[*_op(op), *_figures(op)] for op in ops]
    return Table("All ops", [Column("tensor", NAME), Column("#", order="ascending"), Column("op", TEXT), *_STEPS], rows,
                 sortable=True)


def _op(op: Mapping[str, Any]) -> List[Cell]:
    return [Cell(op["tensor"], op["label"][len(op["tensor"]):].strip()), Cell(str(op["place"])), Cell(op["type"])]


def _figures(op: Mapping[str, Any]) -> List[Cell]:
    local = op["local"]
    return [Cell(steps(local["most"])), Cell(steps(local["mean"])), Cell(_share(local["beyond"])),
            Cell(steps(op["accumulated"]["rms"]))]


def steps(value: float) -> str:
    """A number of steps; what float32 leaves of nothing is nothing."""
    if value < 5e-4:
        return "0"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _share(value: float) -> str:
    if value == 0:
        return "0 %"
    return f"{100 * value:.2g} %" if value < 0.1 else tables.percent(value)


def decades(values: Sequence[float]) -> Optional[Sequence[int]]:
    """Between which powers of ten values lie that are not nothing; None where all are."""
    known = [value for value in values if value >= 5e-4]
    if not known:
        return None
    return [min(-2, math.floor(math.log10(min(known)))), max(1, math.ceil(math.log10(max(known))))]
