"""All quantizers of a report as a table: settings, ranges, what was heard of each, how far each moved."""

from typing import Any, List, Mapping, Optional, Sequence

from quant_accuracy.quantization.records import with_layer
from quant_accuracy.reporting.gate_table import NOTHING
from quant_accuracy.reporting.page import evidence, tables, why_section
from quant_accuracy.reporting.page.evidence import Evidence
from quant_accuracy.reporting.page.tables import NAME, TEXT, Cell, Column, Table


def summary(quantizers: Sequence[Mapping[str, Any]]) -> str:
    """How many quantizers there are: `163 of 278 quantizers are on: 72 params, 91 activations`."""
    on = [item["kind"] for item in quantizers if item["enabled"]]
    kinds = ", ".join(f"{on.count(kind)} {kind}{'' if on.count(kind) == 1 else 's'}"
                      for kind in sorted(set(on), reverse=True))
    return f"{len(on)} of {len(quantizers)} quantizers are on{': ' if kinds else ''}{kinds}"


def table(quantizers: Sequence[Mapping[str, Any]], why: Any, proofs: Evidence) -> Table:
    """All quantizers in the network's order; where it is known what each does to the outputs, the worst first."""
    columns = [Column("tensor", NAME), Column("#", order="" if why else "ascending"), Column("kind", TEXT),
               Column("bits"), Column("symmetric", TEXT), Column("range"), Column("rule", TEXT)]
    rows = {item["tensor"]: [_name(item, place, proofs), Cell(str(place)), Cell(item["kind"]), *_settings(item),
                             _range(item["ranges"]), Cell(item["rule"])]
            for place, item in enumerate(quantizers, start=1)}
    if why is None:
        return Table("Quantizers", columns, list(rows.values()), sortable=True)
    heard = {item["tensor"]: item for item in why["sensitivity"]["quantizers"]}
    order = [*(tensor for tensor in heard if tensor in rows), *(tensor for tensor in rows if tensor not in heard)]
    told = [[_placed(rows[tensor][0], heard.get(tensor)), *rows[tensor][1:], *why_section.heard(heard.get(tensor))]
            for tensor in order]
    return Table("Quantizers", [*columns, *why_section.HEARD], told, sortable=True)


def _name(item: Mapping[str, Any], place: int, proofs: Evidence) -> Cell:
    return Cell(item["tensor"], anchor=evidence.quantizer_anchor(place),
                links=proofs.of_quantizer.get(item["tensor"], ()))


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
