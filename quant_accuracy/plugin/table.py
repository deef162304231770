"""The table of verdicts at the end of a run."""

import io
from typing import Any, Dict, Iterable, List, Mapping, Sequence

Verdict = Mapping[str, Any]


def lines(verdicts: Mapping[str, Sequence[Verdict]], colours: bool, strict: bool) -> List[str]:
    """A table for each model, and a line for each known failure and for each question that is still open.

    Args:
        verdicts: What each test said, as `report.json` has it, by the label of its model.
        colours: Whether the terminal can show them.
        strict: Whether an inconclusive verdict is red.
    """
    if not verdicts:
        return []
    # It takes a while to import, and collecting tests shows no table.
    from rich.console import Console

    from quant_accuracy.judging.verdicts import INCONCLUSIVE, KNOWN
    from quant_accuracy.reporting import gate_table

    text = io.StringIO()
    console = Console(file=text, width=gate_table.WIDTH, force_terminal=colours, highlight=False)
    for model, said in sorted(verdicts.items()):
        rows = map(gate_table.row, gate_table.in_order(_worst(said)))
        console.print(gate_table.terminal(model, rows))
    every = [(f"{model}: " if len(verdicts) > 1 else "", verdict)
             for model, said in sorted(verdicts.items()) for verdict in said]
    # Tests of the user's own may say again what a gate says.
    known, open_questions = (list(dict.fromkeys(f"{outcome}: {model}{gate_table.shortened(verdict['message'])}"
                                                for model, verdict in every if verdict["outcome"] == outcome))
                             for outcome in (KNOWN, INCONCLUSIVE))
    if strict and open_questions:
        count = sum(verdict["outcome"] == INCONCLUSIVE for _, verdict in every)
        open_questions.append(f"--strict: {count} inconclusive verdict{'s are' if count > 1 else ' is'} red for that "
                              "reason alone; evaluate more shards, or leave --strict out")
    return [line.rstrip() for line in text.getvalue().strip("\n").splitlines()] + known + open_questions


def _worst(verdicts: Iterable[Verdict]) -> List[Verdict]:
    """One verdict of each name, in the order of names: several tests may be one check, and the worst of them counts."""
    from quant_accuracy.reporting.gate_table import WORST_FIRST

    found: Dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda verdict: WORST_FIRST.index(verdict["outcome"])):
        found.setdefault(verdict["gate"], verdict)
    return [found[name] for name in sorted(found)]
