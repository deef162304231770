"""What a report's page shows of the confusion of classes: pictures, pairs that changed, errors by class and kind."""

from typing import Any, Dict, List, Mapping, Sequence

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, VARIANTS
from quant_accuracy.reporting.page import heat_maps
from quant_accuracy.reporting.page.heat_maps import Counts, Pair, Shape
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Table
from quant_accuracy.scoring.error_kinds import KINDS

# Of more classes those that changed most are drawn, and more pairs are in the JSON.
CLASSES, PAIRS = 20, 12
_DIFFERENCE, _DEVICE_DIFFERENCE = "quantized - float", "device - quantized"


def view(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show of a report's `confusion`, and of that of its device."""
    known, device = document["confusion"], document[DEVICE]
    of_device = None if device is None else device["confusion"]
    counts = {side: _counts(known, side) for side in VARIANTS}
    differences = {_DIFFERENCE: _minus(counts[QUANTIZED], counts[FLOAT])}
    errors = {side: known["errors"][side] for side in VARIANTS}
    steps = {"difference": (errors[FLOAT], errors[QUANTIZED])}
    if of_device is not None:
        counts[DEVICE] = _counts(of_device, DEVICE)
        # The simulation on the images that the device has run.
        differences[_DEVICE_DIFFERENCE] = _minus(counts[DEVICE], _counts(of_device, QUANTIZED))
        errors[DEVICE] = of_device["errors"][DEVICE]
        steps["device difference"] = (of_device["errors"][QUANTIZED], errors[DEVICE])
    shape = Shape(known["classes"], _chosen(len(known["classes"]), counts, differences))
    maps = [*(heat_maps.draw(side, shape, of_side, side) for side, of_side in counts.items()),
            *(heat_maps.draw(name, shape, of_step) for name, of_step in differences.items())] if shape.chosen else []
    return {"score": f"{known['score']:.2f}", "maps": maps, "pairs": _pairs(shape.names, counts, differences),
            "errors": _errors(errors, steps), "sides": " → ".join(counts),
            "left_out": len(shape.names) - len(shape.chosen) if maps else 0}


def _counts(confusion: Mapping[str, Any], side: str) -> Dict[Pair, int]:
    return {(row, column): count for row, column, count in confusion["counts"][side]}


def _minus(after: Counts, before: Counts) -> Dict[Pair, int]:
    return {pair: after.get(pair, 0) - before.get(pair, 0) for pair in {*after, *before}}


def _chosen(classes: int, counts: Mapping[str, Counts], differences: Mapping[str, Counts]) -> List[int]:
    """The classes that are drawn, in the order of their ids; those without objects and detections are not."""
    weight = [0.0] * (classes + 1)
    for each, share in (*((change, 1.0) for change in differences.values()), *((of, 1e-9) for of in counts.values())):
        for pair, count in each.items():
            for place in pair:
                weight[place] += share * abs(count)
    known = sorted((place for place in range(classes) if weight[place]), key=lambda place: -weight[place])
    return sorted(known[:CLASSES])


def _pairs(names: Sequence[str], counts: Mapping[str, Counts], differences: Mapping[str, Counts]) -> Table:
    """The confusions that changed most; what is right is none."""
    most = {pair: max(abs(of.get(pair, 0)) for of in differences.values())
            for pair in {pair for of in differences.values() for pair in of} if pair[0] != pair[1]}
    changed = sorted((pair for pair, change in most.items() if change), key=lambda pair: (-most[pair], pair))[:PAIRS]
    rows = [[Cell([*names, heat_maps.NO_OBJECT][row]), Cell([*names, heat_maps.NOT_FOUND][column]),
             *(Cell(str(of.get((row, column), 0))) for of in counts.values()),
             *(Cell(_signed(of.get((row, column), 0))) for of in differences.values())] for row, column in changed]
    return Table("Confusions that changed most", [Column("object", NAME), Column("detected as", TEXT),
                                                  *map(Column, (*counts, *differences))], rows)


def _errors(errors: Mapping[str, Any], steps: Mapping[str, Sequence[Any]]) -> Table:
    """False positives and false negatives of each class by kind, `float → quantized`; most changed first."""
    def count(side: Any, name: str, kind: str) -> int:
        return int(side.get(name, {}).get(kind, 0))

    def change(step: Sequence[Any], name: str, kind: str) -> int:
        return count(step[1], name, kind) - count(step[0], name, kind)

    def moved(name: str) -> int:
        return sum(abs(change(step, name, kind)) for step in steps.values() for kind in KINDS)

    rows = []
    for name in sorted({name for side in errors.values() for name in side}, key=lambda name: (-moved(name), name)):
        cells = []
        for kind in KINDS:
            told = [count(side, name, kind) for side in errors.values()]
            cells.append(Cell(" → ".join(map(str, told)) if len(set(told)) > 1 else str(told[0]),
                              key=str(told[-1] - told[0])))
        rows.append([Cell(name), *cells,
                     *(Cell(_signed(sum(change(step, name, kind) for kind in KINDS))) for step in steps.values())])
    return Table("Errors by class", [Column("class", NAME), *map(Column, (*KINDS, *steps))], rows, sortable=True)


def _signed(count: int) -> str:
    return f"{count:+d}" if count else "0"
