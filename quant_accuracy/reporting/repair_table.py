"""A repair for readers outside the page: as lines for the terminal, and as Markdown."""

import io
from typing import Any, List, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quant_accuracy.base.words import REPAIR_FOLDER
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.page import of_repair, pages
from quant_accuracy.reporting.page.of_repair import Row

_HEADINGS = ("attempt", "", "mAP", "drop", "95 % interval", "verdict", "W bits", "A bits", "bit ops", "images", "min")
_LEFT = ("attempt", "", "verdict")
# Of a long list of changes, so many are shown.
_CHANGES = 20


def markdown(repair: Mapping[str, Any]) -> str:
    """A report's `repair` as Markdown, without HTML."""
    return pages.filled("repair.md.j2", "md", {"repair": of_repair.view(repair)})


def lines(repair: Mapping[str, Any]) -> List[str]:
    """A report's `repair` for a terminal, `gate_table.WIDTH` wide: what to do, the table, and what was left out."""
    found = of_repair.rows(repair)
    shown = [row for row in found if row.few] if len(found) > of_repair.FEW else found
    proof = of_repair.proof(repair)
    told = [f"repair: {repair['line']}", *([proof] if proof else []), of_repair.effort(repair), "", *_table(shown)]
    told += _rest(len(found) - len(shown))
    told += [f"{of_repair.NOT_MEASURED}: {row.attempt['name']}: {row.attempt['error']}" for row in shown
             if row.attempt["error"] is not None]
    changes = [] if repair["chosen"] is None else repair["chosen"]["changes"]
    told += ["", "changes:", *(f"  {change}" for change in changes[:_CHANGES])] if changes else []
    told += _rest(len(changes) - _CHANGES)
    told += [f"not judged by: {line}" for line in of_repair.by_reason(repair["left_out"])]
    told += [f"not tried: {line}" for line in repair["without"]]
    return list(map(_one_line, told))


def _rest(count: int) -> List[str]:
    return [f"  and {count} more; {REPAIR_FOLDER}/repair.md has all"] if count > 0 else []


def _one_line(text: str) -> str:
    """A line as it is, with what would break it, or move the cursor, as a space."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip()


def _table(shown: List[Row]) -> List[str]:
    """The table; columns that would say nothing are left out."""
    rows = [_cells(row) for row in shown]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    columns = [place for place, name in enumerate(_HEADINGS)
               if name in _LEFT or any(row[place] != gate_table.NOTHING for row in rows)]
    for place in columns:
        table.add_column(_HEADINGS[place], justify="left" if _HEADINGS[place] in _LEFT else "right",
                         no_wrap=place > 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_one_line(row[place])) for place in columns))
    drawn = io.StringIO()
    Console(file=drawn, width=gate_table.WIDTH, color_system=None, legacy_windows=False).print(table)
    return drawn.getvalue().rstrip("\n").split("\n")


def _cells(row: Row) -> List[str]:
    attempt, ends = row.attempt, row.attempt["drop_interval"]
    return [str(attempt["name"]), row.short, gate_table.number(attempt["mAP"]), gate_table.number(attempt["drop"]),
            gate_table.NOTHING if ends is None else " .. ".join(map(gate_table.number, ends)),
            of_repair.verdict(attempt), *(of_repair.short(attempt[key]) for key in (
                "weight_bits", "activation_bits", "bit_operations")),
            str(attempt["images"]), of_repair.minutes(attempt["seconds"])]
