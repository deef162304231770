"""What pages show of a repair: what to do, what was measured to find it, and what it costs."""

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.judging.verdicts import PASS
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import tables
from quant_accuracy.reporting.page.tables import NAME, OUTCOME, PROSE, Cell, Column, Fact, Table

Attempt = Mapping[str, Any]
Repair = Mapping[str, Any]
# So many rows, and so many changes, are read at a glance; what is more is folded away.
FEW, FEW_CHANGES = 12, 8
NOT_MEASURED = "not measured"
_FRONT = "front"
_ENDED = {"found": "The search stopped at the first repair that passes on all images.",
          "time": "The search ran out of time.",
          "interrupted": "The search was interrupted.",
          "exhausted": "The search had nothing left to try."}
_AGREES = {"pass": "the drop is within what the gates allow", "fail": "the drop exceeds what the gates allow",
           "inconclusive": "too few images to be sure of the drop"}
_COLUMNS = (Column("attempt", NAME), Column("#"), Column("mAP"), Column("drop"), Column("verdict", OUTCOME),
            Column("gates", PROSE), Column("weight bits"), Column("activation bits"), Column("bit operations"),
            Column("images"), Column("minutes"))


class Row(NamedTuple):
    """An attempt as a table shows it.

    Attributes:
        attempt: What was measured.
        place: Its number, 0 for what there was before, -1 for a second measurement of the same.
        remark: What it is to the reader; empty for one of many.
        few: Whether it is shown where not all are.
    """

    attempt: Attempt
    place: int
    remark: str
    few: bool

    @property
    def short(self) -> str:
        """The remark in few letters."""
        return self.remark.split(", ")[-1 if self.place < 0 else 0]

    @property
    def marked(self) -> bool:
        """Whether it stands out: the start, and what was chosen."""
        return self.few and self.remark not in ("", _FRONT)


def view(repair: Repair) -> Dict[str, Any]:
    """What the templates show."""
    found, chosen = rows(repair), repair["chosen"]
    few = [row for row in found if row.few]
    card = "" if chosen is None else chosen["card"].rstrip("\n")
    first, *others = re.split("; (?=[a-z])", repair["line"])
    return {"line": repair["line"], "first": first, "others": others, "proof": proof(repair), "effort": effort(repair),
            "few": table("What was measured", few if len(found) > FEW else found),
            "all": table("Everything that was measured", found, sortable=True), "folded": len(found) > FEW,
            "card": card, "fence": _fence(card), "changes": [] if chosen is None else list(chosen["changes"]),
            "files": [] if chosen is None else list(chosen["files"]), "few_changes": FEW_CHANGES,
            "gates": ", ".join(repair["gates"]) or "none",
            "not_done": [*(Fact("not judged by", line) for line in by_reason(repair["left_out"])),
                         *(Fact("not tried", line) for line in repair["without"])]}


def by_reason(lines: Sequence[str]) -> List[str]:
    """Lines `name: reason` as one for each reason: `name, name: reason`."""
    found: Dict[str, List[str]] = {}
    for line in lines:
        name, _, reason = line.partition(": ")
        found.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" if reason else ", ".join(names) for reason, names in found.items()]


def rows(repair: Repair) -> List[Row]:
    """What there was before, the attempts in the order in which they were measured, and the chosen one once more."""
    chosen = repair["chosen"]
    word = "chosen" if repair["found"] else "closest"
    found = [Row(repair["before"], 0, "before", True)]
    shown = _few(repair)
    for place, attempt in enumerate(repair["attempts"], start=1):
        is_chosen = chosen is not None and attempt["name"] == chosen["name"]
        remarks = [remark for remark, holds in ((word, is_chosen), (_FRONT, attempt["front"])) if holds]
        found.append(Row(attempt, place, ", ".join(remarks), is_chosen or place in shown))
    if chosen is not None:
        # An interrupted search has measured what comes closest on its own images only.
        part = chosen["held_back"] is None and chosen["all"]["images"] < repair["images"]["all"]
        if chosen["all"]["error"] is not None or not part:
            found.append(Row(chosen["all"], -1, f"{word}, all images", True))
        if chosen["held_back"] is not None:
            found.append(Row(chosen["held_back"], -1, f"{word}, held back", True))
    return found


def _few(repair: Repair) -> Sequence[int]:
    """The numbers of the attempts on the front; of many, those that lose least."""
    front = [(place, attempt) for place, attempt in enumerate(repair["attempts"], start=1) if attempt["front"]]
    return [place for place, _ in sorted(front, key=lambda item: _loss(item[1]))[:FEW]]


def _loss(attempt: Attempt) -> float:
    return float("inf") if attempt["drop"] is None else float(attempt["drop"])


def table(label: str, found: Sequence[Row], sortable: bool = False) -> Table:
    """Attempts as a table; what stands out is marked."""
    return Table(label, [column._replace(order="ascending") if sortable and column.name == "#" else column
                         for column in _COLUMNS], [_cells(row) for row in found], sortable,
                 [place for place, row in enumerate(found) if row.marked])


def _cells(row: Row) -> List[Cell]:
    attempt = row.attempt
    return [Cell(attempt["name"], row.remark), Cell(NOTHING if row.place < 0 else str(row.place)),
            Cell(number(attempt["mAP"])), Cell(number(attempt["drop"]), tables.between(attempt["drop_interval"])),
            Cell(verdict(attempt)), Cell(gates(attempt)), *(Cell(short(attempt[key])) for key in (
                "weight_bits", "activation_bits", "bit_operations")),
            Cell(str(attempt["images"])), Cell(minutes(attempt["seconds"]))]


def verdict(attempt: Attempt) -> str:
    """How it ended: as a gate does, or not measured."""
    return NOT_MEASURED if attempt["error"] is not None else str(attempt["outcome"])


def gates(attempt: Attempt) -> str:
    """Which gates are not passed, or why nothing was measured."""
    if attempt["error"] is not None:
        return str(attempt["error"])
    judged = attempt["gates"]
    lacking = {outcome: [name for name, said in judged.items() if said == outcome] for outcome in judged.values()
               if outcome != PASS}
    return "; ".join(f"{outcome}: {', '.join(names)}" for outcome, names in sorted(lacking.items())) \
        or (f"all {len(judged)} pass" if judged else NOTHING)


def short(value: Optional[float]) -> str:
    """Bits, or bit operations: three digits."""
    return NOTHING if value is None else f"{value:.3g}"


def minutes(seconds: Optional[float]) -> str:
    """Seconds as minutes."""
    return NOTHING if seconds is None else f"{seconds / 60:.1f}"


def effort(repair: Repair) -> str:
    """What was spent, on which images, and why the search ended."""
    images, count = repair["images"], len(repair["attempts"])
    failed = count - _measured(repair)
    tried = ("1 attempt" if count == 1 else f"{count} attempts") + (f" ({failed} {NOT_MEASURED})" if failed else "")
    part = f" of {images['all']}" if images["all"] > images["search"] else ""
    held = f"; {images['held_back']} were held back" if images["held_back"] else ""
    return (f"{tried} on {images['search']}{part} images{held}. Took {minutes(repair['seconds'])} of "
            f"{repair['budget_minutes']:g} minutes. {_ENDED[repair['ended']]}")


def proof(repair: Repair) -> str:
    """What the closest of many attempts did on images that it was not chosen by; the line says it of a repair."""
    chosen = repair["chosen"]
    if chosen is None or repair["found"]:
        return ""
    count = _measured(repair)
    best = "The only attempt" if count == 1 else f"The best of {count} attempts"
    held = chosen["held_back"]
    if held is None:
        # Empty where images are held back, and an interrupted search has not come to them.
        reason = f" ({repair['not_held_back']})" if repair["not_held_back"] else ""
        return f"{best}, on the images it was chosen on; on others it may do worse{reason}."
    agrees = f"; {_AGREES[chosen['agrees']]}" if chosen["agrees"] else ""
    return f"{best}, measured again on {held['images']} images that the search did not use: {outcome(held)}{agrees}."


def outcome(attempt: Attempt) -> str:
    """Its figures in a sentence: `mAP 0.5702, drop 0.0232 (0.0100 .. 0.0330), pass`."""
    if attempt["error"] is not None:
        return f"{NOT_MEASURED}, {attempt['error']}"
    ends = tables.between(attempt["drop_interval"])
    drop = f"{number(attempt['drop'])} ({ends})" if ends else number(attempt["drop"])
    return f"mAP {number(attempt['mAP'])}, drop {drop}, {attempt['outcome']}"


def _measured(repair: Repair) -> int:
    return sum(attempt["error"] is None for attempt in repair["attempts"])


def _fence(text: str) -> str:
    """What encloses a text in Markdown: more backticks than stand together in it."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))


def front(repair: Repair) -> List[Tuple[int, Attempt]]:
    """What no attempt beats in both mAP drop and bit operations, cheapest first, with numbers as in the table."""
    known = [(row.place, row.attempt) for row in rows(repair) if row.place >= 0 and row.attempt["front"]
             and row.attempt["drop"] is not None and row.attempt["bit_operations"] is not None]
    return sorted(known, key=lambda item: (item[1]["bit_operations"], -item[1]["drop"]))
