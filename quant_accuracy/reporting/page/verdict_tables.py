"""The gates and checks of a report as tables, with links to what proves each verdict."""

from typing import Any, List, Mapping, Sequence, Tuple

from quant_accuracy.judging.verdicts import CHECK, GATE, OUTCOMES, PASS
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.page import evidence
from quant_accuracy.reporting.page.evidence import Evidence
from quant_accuracy.reporting.page.tables import NAME, OUTCOME, PROSE, Cell, Column, Table

_NO_GATES = "no gates"
_Numbered = Tuple[int, Mapping[str, Any]]


def overall(outcomes: Sequence[str]) -> str:
    """The worst outcome; a model without gates has not passed any."""
    return next((outcome for outcome in gate_table.WORST_FIRST if outcome in outcomes), _NO_GATES)


def first_to_look_at(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Where the worst verdict stands on the page: the first gate, or else the first check; nothing where all pass."""
    worst = overall([verdict["outcome"] for verdict in verdicts])
    found = (evidence.anchor(number) for kind in (GATE, CHECK) for number, verdict in _of_kind(verdicts, kind)
             if verdict["outcome"] == worst != PASS)
    return next(found, "")


def counts(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """How gates and checks ended: `4 gates and 11 checks: 14 pass, 1 fail`."""
    outcomes, kinds = ([verdict[key] for verdict in verdicts] for key in ("outcome", "kind"))
    counted = [f"{outcomes.count(outcome)} {outcome}" for outcome in OUTCOMES if outcome in outcomes]
    found = [f"{gate_table.counted(kinds)}: {', '.join(counted)}"] if counted else []
    return "; ".join([*found, *([] if GATE in kinds else ["the model card names no gates"])])


def gates(verdicts: Sequence[Mapping[str, Any]], proofs: Evidence) -> Table:
    """The gates."""
    rows = [[_name(number, verdict), *map(Cell, gate_table.row(verdict)[2:]), _message(number, verdict, proofs)]
            for number, verdict in _of_kind(verdicts, GATE)]
    return Table("Gates", [Column("gate", NAME), Column("value"), Column("limit"),
                           Column("95 % interval"), Column("jitter"), Column("verdict", OUTCOME),
                           Column("message", PROSE)], rows)


def checks(verdicts: Sequence[Mapping[str, Any]], proofs: Evidence) -> Table:
    """The checks; `encodings_drift` alone has a value, and its message says it."""
    rows = [[_name(number, verdict), Cell(verdict["outcome"]), _message(number, verdict, proofs)]
            for number, verdict in _of_kind(verdicts, CHECK)]
    return Table("Checks", [Column("check", NAME), Column("verdict", OUTCOME), Column("message", PROSE)], rows)


def _of_kind(verdicts: Sequence[Mapping[str, Any]], kind: str) -> List[_Numbered]:
    """The gates or the checks with their numbers in the document, those that need a look first."""
    return sorted(((number, verdict) for number, verdict in enumerate(verdicts) if verdict["kind"] == kind),
                  key=lambda item: gate_table.WORST_FIRST.index(item[1]["outcome"]))


def _name(number: int, verdict: Mapping[str, Any]) -> Cell:
    return Cell(verdict["gate"], verdict["figure"] or "", anchor=evidence.anchor(number))


def _message(number: int, verdict: Mapping[str, Any], proofs: Evidence) -> Cell:
    return Cell(gate_table.shortened(verdict["message"]), links=proofs.of_verdict[number])
