"""Verdicts as rows of a table: what the terminal, the closing section of pytest and the pages show."""

from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Sequence

from rich.console import Console
from rich.table import Table

from quant_accuracy.judging.verdicts import CHECK, FAIL, GATE, INCONCLUSIVE, KNOWN, PASS

NOTHING = "–"
WIDTH = 120
COLOURS = {PASS: "green", FAIL: "red", INCONCLUSIVE: "yellow", KNOWN: "magenta"}
WORST_FIRST = (FAIL, INCONCLUSIVE, KNOWN, PASS)
# Of what a failed check lists, so many lines are shown: of encodings the worst. report.json has all, and the page those
# of quantizers.
_LINES = 5
_HEADINGS = ("gate or check", "figure", "value", "limit", "95 % interval", "jitter", "verdict")
_LEFT = (0, 1, len(_HEADINGS) - 1)


def console() -> Console:
    """The terminal as it is; a file or a pipe, which has no width, as wide as the tables."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDTH)


class Row(NamedTuple):
    """A verdict in words and digits."""

    name: str
    figure: str
    value: str
    limit: str
    interval: str
    jitter: str
    outcome: str


def row(verdict: Mapping[str, Any]) -> Row:
    """A row of the table, from a verdict's fields."""
    interval, jitter = verdict["interval"], verdict["jitter"]
    return Row(verdict["gate"], verdict["figure"] or NOTHING, number(verdict["value"]),
               limit(verdict["lower"], verdict["upper"]),
               NOTHING if interval is None else " .. ".join(map(number, interval)),
               NOTHING if jitter is None else f"±{jitter:.4f}", verdict["outcome"])


def in_order(verdicts: Iterable[Mapping[str, Any]]) -> List[Mapping[str, Any]]:
    """The gates, and then the checks; otherwise as they come."""
    return sorted(verdicts, key=lambda verdict: (GATE, CHECK).index(verdict["kind"]))


def counted(kinds: Sequence[str]) -> str:
    """How many verdicts there are: `8 gates and 11 checks`."""
    parts = [(kinds.count(kind), kind) for kind in (GATE, CHECK) if kind in kinds]
    return " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for count, kind in parts)


def shortened(message: str) -> str:
    """A message without what is too much to be read of a long list below it."""
    lines = message.split("\n")
    more = len(lines) - 1 - _LINES
    return message if more <= 0 else "\n".join([*lines[:1 + _LINES], f"  and {more} more; report.json has all"])


def number(value: Optional[float]) -> str:
    """Four digits behind the point, and no minus before a zero."""
    return NOTHING if value is None else f"{round(value, 4) + 0.0:.4f}"


def limit(lower: Optional[float], upper: Optional[float]) -> str:
    """What is allowed: `>= 0.57`, `<= 0.02`, `0.2439 .. 0.2499`."""
    if lower is not None and upper is not None:
        return f"{number(lower)} .. {number(upper)}"
    if lower is not None:
        return f">= {lower:g}"
    return NOTHING if upper is None else f"<= {upper:g}"


def terminal(title: str, rows: Iterable[Row]) -> Table:
    """The table for a terminal, `WIDTH` wide at most; columns that would say nothing are left out."""
    shown = list(rows)
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", padding=(0, 2, 0, 0))
    columns = [place for place, name in enumerate(Row._fields)
               if name in ("name", "outcome") or any(item[place] != NOTHING for item in shown)]
    for place in columns:
        table.add_column(_HEADINGS[place], no_wrap=True,
                         justify="left" if place in _LEFT else "right")
    for item in shown:
        cells = [*item[:-1], f"[{COLOURS[item.outcome]}]{item.outcome}[/]"]
        table.add_row(*(cells[place] for place in columns))
    return table
