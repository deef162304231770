"""All quantizers of a report as a table: settings, ranges, how far each moved, what was heard of each."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.quantization.records import with_layer
from quant_accuracy.reporting.gate_table import NOTHING
from quant_accuracy.reporting.page import bars, evidence, histograms, tables, why_section
from quant_accuracy.reporting.page.evidence import Evidence
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Table

# Rows by which the page filters, and which it prints.
ON, CHANGED, PRINTED = "on", "changed", "printed"
# So many of the worst, and of those that changed, are printed.
_WORST, _MOST_CHANGED = 15, 20
# So many of the worst have their values drawn beside each other.
_DRAWN = 3


class Shown(NamedTuple):
    """The table, and how many rows there are of each kind.

    Attributes:
        table: All quantizers.
        worst: How the values of the most harmful ones lie within their ranges.
        changed: How many are others than in the snapshot, or have moved farther than is allowed; None where there is
            no snapshot.
        printed: How many are printed.
    """

    table: Table
    worst: Sequence[histograms.Drawn]
    changed: Optional[int]
    printed: int


def summary(quantizers: Sequence[Mapping[str, Any]]) -> str:
    """How many quantizers there are: `163 of 278 quantizers are on: 72 params, 91 activations`."""
    on = [item["kind"] for item in quantizers if item["enabled"]]
    kinds = ", ".join(f"{on.count(kind)} {kind}{'' if on.count(kind) == 1 else 's'}"
                      for kind in sorted(set(on), reverse=True))
    return f"{len(on)} of {len(quantizers)} quantizers are on{': ' if kinds else ''}{kinds}"


def show(document: Mapping[str, Any], proofs: Evidence) -> Shown:
    """All quantizers in the network's order; where it is known what each does to the outputs, the worst first."""
    quantizers, why, snapshot = document["quantizers"], document["why"], document["snapshot"]
    heard = {} if why is None else {item["tensor"]: item for item in why["sensitivity"]["quantizers"]}
    moved = {} if snapshot is None else {item["tensor"]: item for item in snapshot["moved"]}
    changed = evidence.changed(document)
    ranked = list(heard)
    printed = {*changed[:_MOST_CHANGED], *ranked[:_WORST]}
    drawn = histograms.draw(document)
    places = {item["tensor"]: place for place, item in enumerate(quantizers, start=1)}
    scale = bars.Scale([item["only_on"] for item in heard.values()])
    rows: Dict[str, List[Cell]] = {}
    for item in sorted(quantizers, key=lambda item: ranked.index(item["tensor"]) if item["tensor"] in heard
                       else len(ranked)):
        tensor = item["tensor"]
        marks = [mark for mark, holds in ((ON, item["enabled"]), (CHANGED, tensor in changed),
                                          (PRINTED, tensor in printed)) if holds]
        rows[tensor] = [
            Cell(tensor, _layer(heard.get(tensor)), "", proofs.of_quantizer.get(tensor, ()),
                 evidence.quantizer_anchor(places[tensor]), marks,
                 drawn[tensor].folded() if tensor in drawn else ""),
            Cell(str(places[tensor])), Cell(item["kind"]), *_settings(item), _range(item["ranges"]),
            *([] if snapshot is None else [_moved(moved.get(tensor))]), Cell(item["rule"]),
            *([] if why is None else _heard(heard.get(tensor), scale))]
    columns = [Column("tensor", NAME), Column("#", order="" if why else "ascending"), Column("kind", TEXT),
               Column("bits"), Column("symmetric", TEXT), Column("range"),
               *([] if snapshot is None else [Column("moved, %")]), Column("rule", TEXT),
               *([] if why is None else why_section.HEARD)]
    return Shown(Table("Quantizers", columns, list(rows.values()), sortable=True),
                 [drawn[tensor] for tensor in ranked[:_DRAWN] if tensor in drawn],
                 None if snapshot is None else len(changed), len(printed & rows.keys()))


def _layer(heard: Optional[Mapping[str, Any]]) -> str:
    """The layer of a tensor whose name does not tell it."""
    return "" if heard is None else with_layer(heard["tensor"], heard["layer"])[len(heard["tensor"]):].strip()


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


def _moved(item: Optional[Mapping[str, Any]]) -> Cell:
    """How far a range has moved from that of the snapshot, and from where."""
    if item is None:
        return Cell(NOTHING)
    return Cell(f"{100 * item['change']:.3g}", f"was {tables.between(item['before'], '{:.4g}'.format)}",
                svg=bars.ranges(item["before"], item["after"]))


def _heard(item: Optional[Mapping[str, Any]], scale: bars.Scale) -> List[Cell]:
    """What is heard of a quantizer, with a bar for the noise that it makes alone."""
    sqnr, only_on, only_off = why_section.heard(item)
    return [sqnr, only_on if item is None else only_on._replace(svg=scale.bar(item["only_on"])), only_off]
