"""What the page of a comparison shows: the first run, and what each of the others changes."""

import string
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.base.words import QUANTIZED
from quant_accuracy.judging import jitter
from quant_accuracy.judging.verdicts import CHECK, PASS, Verdict
from quant_accuracy.quantization.snapshot import Drift
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.comparison import Change, Comparison, meaning, signed
from quant_accuracy.reporting.document.read_report import ReportedRun
from quant_accuracy.reporting.document.read_shown import DROP, Shown
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import bars, tables, verdict_tables
from quant_accuracy.reporting.page.tables import NAME, OUTCOME, TEXT, Cell, Column, Fact, Table
from quant_accuracy.reporting.paired import DEVICE_MAP

LETTERS = string.ascii_uppercase
# Rows that are shown of a long table; the rest is folded away.
FEW = 12
# Where a run's own interval of a figure of the headline is: the variant, and COCO's name.
_OWN = {jitter.FLOAT_MAP: "float", jitter.QUANTIZED_MAP: QUANTIZED, jitter.DROP: DROP, DEVICE_MAP: "device"}


class Run(NamedTuple):
    """A run, the letter that the page calls it by, and what its report says of itself."""

    letter: str
    run: ReportedRun
    shown: Shown


class Listed(NamedTuple):
    """Lines about a run, and what they are called."""

    title: str
    lines: Sequence[str]


def view(found: Sequence[Comparison], shown: Sequence[Shown]) -> Dict[str, Any]:
    """What the templates show.

    Args:
        found: The comparisons, all with the same first run.
        shown: What the reports of that run and of the others say of themselves.
    """
    runs = [Run(letter, run, own) for letter, run, own in zip(
        LETTERS, [found[0].before, *(item.after for item in found)], shown)]
    variants = list(dict.fromkeys(variant for item in found for variant in item.figures))
    return {
        "title": f"{_models(runs)}: {', '.join(run.letter for run in runs[1:])} against A",
        "runs": _runs(runs),
        "notes": [Fact(f"{run.letter} against A", item.paired.note) for run, item in zip(runs[1:], found)
                  if item.paired.note],
        "headline": _headline(runs, found),
        "figures": [_figures(runs, found, variant) for variant in variants],
        "classes": [_classes(runs, found, variant) for variant in (QUANTIZED, *(
            name for name in variants if name != QUANTIZED))],
        "verdicts": _verdicts(runs, found),
        "quantizers": _listed("Quantizers that changed", runs, found, _placement),
        "encodings": _encodings(runs, found),
        "images": _images(runs, found),
        "provenance": _listed("Provenance that differs", runs, found, lambda item: item.provenance),
        "few_rows": FEW,
    }


def _models(runs: Sequence[Run]) -> str:
    """The models, each once."""
    return tables.named(list(dict.fromkeys(item.run.model for item in runs)))


def _runs(runs: Sequence[Run]) -> Table:
    rows = [[Cell(item.letter), Cell(item.run.model), Cell(verdict_tables.overall([
        verdict.outcome for verdict in item.run.verdicts])), Cell(str(item.run.images)), Cell(item.run.shards),
        Cell(str(item.run.path))] for item in runs]
    return Table("The runs", [Column("run", NAME), Column("model", TEXT), Column("verdict", OUTCOME), Column("images"),
                              Column("shards", TEXT), Column("report", TEXT)], rows)


def _headline(runs: Sequence[Run], found: Sequence[Comparison]) -> Table:
    """Headline figures with their own intervals, and differences with paired ones and what these say."""
    def difference(item: Comparison, change: Change) -> List[Cell]:
        interval = item.paired.intervals.get(change.name)
        return [Cell(signed(change.difference), tables.between(interval, signed)),
                Cell(meaning(change.name, interval) or NOTHING)]

    names = list(dict.fromkeys(change.name for item in found for change in item.headline))
    by_name = [{change.name: change for change in item.headline} for item in found]
    columns = [Column("figure", NAME), Column("A")]
    for item in runs[1:]:
        columns += [Column(item.letter), Column(f"{item.letter} - A"), Column("change", TEXT)]
    rows = []
    for name in names:
        changes = [changes.get(name, Change(name, None, None)) for changes in by_name]
        first = next((change.before for change in changes if change.before is not None), None)
        row = [Cell(name), _own(runs[0], name, first)]
        for run, against, change in zip(runs[1:], found, changes):
            row += [_own(run, name, change.after), *difference(against, change)]
        rows.append(row)
    return Table("Against A", columns, rows)


def _own(run: Run, name: str, value: Optional[float]) -> Cell:
    """A figure of the headline with the run's own interval."""
    known = run.shown.intervals.get(_OWN.get(name, ""), {})
    return Cell(number(value), "" if value is None else tables.between(known.get("mAP")))


def _side_by_side(label: str, heading: str, runs: Sequence[Run], changes: Sequence[Sequence[Change]],
                  own: Callable[[Run, str], str], sortable: bool = False) -> Table:
    """Figures of all runs and their differences from A, in the order of the first comparison."""
    columns = [Column(heading, NAME), Column("A")]
    for item in runs[1:]:
        order = "ascending" if sortable and item.letter == "B" else ""
        columns += [Column(item.letter), Column(f"{item.letter} - A", order=order)]
    by_name = [{change.name: change for change in of_run} for of_run in changes]
    rows = []
    for name in dict.fromkeys(change.name for of_run in changes for change in of_run):
        found = [of_run.get(name, Change(name, None, None)) for of_run in by_name]
        row = [Cell(name), Cell(number(found[0].before), own(runs[0], name))]
        for run, change in zip(runs[1:], found):
            row += [Cell(number(change.after), own(run, name)), Cell(signed(change.difference))]
        rows.append(row)
    return Table(label, columns, rows, sortable)


def _figures(runs: Sequence[Run], found: Sequence[Comparison], variant: str) -> Table:
    def own(run: Run, name: str) -> str:
        return tables.between(run.shown.intervals.get(variant, {}).get(name))

    return _side_by_side(f"COCO's figures, {variant}", "figure", runs,
                         [item.figures.get(variant, ()) for item in found], own)


def _classes(runs: Sequence[Run], found: Sequence[Comparison], variant: str) -> Table:
    return _side_by_side(f"AP by class, {variant}", "class", runs, [item.classes.get(variant, ()) for item in found],
                         lambda run, name: "", sortable=True)


def _verdicts(runs: Sequence[Run], found: Sequence[Comparison]) -> Table:
    """The gates and checks that say something else in one of the runs than in A."""
    gates = list(dict.fromkeys(change.gate for item in found for change in item.verdicts))
    judged = [{verdict.gate: verdict for verdict in item.run.verdicts} for item in runs]
    rows = [[Cell(gate), *(_judged(of_run.get(gate)) for of_run in judged)] for gate in gates]
    return Table("Verdicts that changed", [Column("gate or check", NAME),
                                           *(Column(item.letter, OUTCOME) for item in runs)], rows)


def _judged(verdict: Optional[Verdict]) -> Cell:
    """A verdict: of a gate with its value and limit, of a check that is not passed with its message."""
    if verdict is None:
        return Cell(NOTHING)
    if verdict.kind == CHECK:
        return Cell(verdict.outcome, "" if verdict.outcome == PASS else gate_table.shortened(verdict.message))
    return Cell(verdict.outcome, f"{number(verdict.value)} ({gate_table.limit(verdict.lower, verdict.upper)})")


def _placement(item: Comparison) -> Sequence[str]:
    missing = item.quantizers.missing
    return [f"not compared: {missing}"] if missing else item.quantizers.placement


def _listed(title: str, runs: Sequence[Run], found: Sequence[Comparison],
            lines: Callable[[Comparison], Sequence[str]]) -> List[Listed]:
    return [Listed(f"{title}, {run.letter} against A", list(lines(item))) for run, item in zip(runs[1:], found)
            if lines(item)]


def _encodings(runs: Sequence[Run], found: Sequence[Comparison]) -> Table:
    """The encodings that moved in one of the runs, worst first: by how much of A's range, and where they are."""
    by_tensor: List[Mapping[str, Drift]] = [{drift.tensor: drift for drift in item.quantizers.drifts} for item in found]
    names = {name: max(drifts[name].change for drifts in by_tensor if name in drifts)
             for drifts in by_tensor for name in drifts}
    columns = [Column("tensor", NAME)]
    for item in runs[1:]:
        columns += [Column(f"range, {item.letter}"), Column(f"moved, {item.letter}",
                                                            order="descending" if item.letter == "B" else "")]
    rows = []
    for name in sorted(names, key=lambda name: (-names[name], name)):
        drifts = [of_run.get(name) for of_run in by_tensor]
        ends = [ends for drift in drifts if drift is not None for ends in (drift.before, drift.after)]
        rows.append([Cell(name), *(cell for drift in drifts for cell in _moved(drift, ends))])
    return Table("Encodings that moved", columns, rows, sortable=True)


def _moved(drift: Optional[Drift], beside: Sequence[Sequence[float]]) -> List[Cell]:
    """Where an encoding is now and was in A, and how far it is from there; of channels, the one that moved most."""
    if drift is None:
        return [Cell(NOTHING), Cell(NOTHING)]
    return [Cell(_range(drift.after), f"A: {_range(drift.before)}", f"{drift.after[1] - drift.after[0]:.6g}",
                 svg=bars.ranges(drift.before, drift.after, beside)),
            Cell(f"{100 * drift.change:.3g} %")]


def _range(ends: Sequence[float]) -> str:
    return tables.between(ends, "{:.4g}".format)


def _images(runs: Sequence[Run], found: Sequence[Comparison]) -> Table:
    """The images whose quantized AP changed, the largest change first."""
    by_image = [{change.image_id: change for change in item.paired.changed} for item in found]
    order = {image: max(abs(changes[image].after - changes[image].before) for changes in by_image if image in changes)
             for changes in by_image for image in changes}
    columns = [Column("image", NAME), Column("A")]
    for item in runs[1:]:
        columns += [Column(item.letter), Column(f"{item.letter} - A")]
    rows = []
    for image in sorted(order, key=lambda image: (-round(order[image], 9), image)):
        known = next(changes[image] for changes in by_image if image in changes)
        row = [Cell(str(image), known.file_name), Cell(number(known.before))]
        for changes in by_image:
            after = changes[image].after if image in changes else known.before
            row += [Cell(number(after)), Cell(signed(after - known.before))]
        rows.append(row)
    return Table("Images that changed", columns, rows, sortable=True)
