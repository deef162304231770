"""Put reports side by side: figures, classes, verdicts, quantizers and what they come from.

Differences are those of B, and of every further run, from A. Exit status: 0 when the runs were compared, 2 when they
could not be.
"""

from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quant_accuracy.base import command_line, files
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.judging.verdicts import CHECK
from quant_accuracy.reporting import comparison, gate_table
from quant_accuracy.reporting.comparison import Change, Comparison, VerdictChange, meaning, signed
from quant_accuracy.reporting.page import compare_page, of_comparison
from quant_accuracy.settings import options
from quant_accuracy.settings.values import Values, from_environment

# Rows and lines that are shown of a long list; the JSON has all.
_SHOWN = 20
_ANNOTATIONS = next(option for option in options.OPTIONS if option.key == options.PATHS["annotations"])


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path, metavar="A", help="output folder of a report, or its report.json")
    parser.add_argument("after", type=Path, metavar="B", help="the same, of the other run")
    parser.add_argument("further", type=Path, metavar="C", nargs="*", default=[], help="the same, of further runs")
    parser.add_argument(_ANNOTATIONS.flag, dest=_ANNOTATIONS.key, type=Path, metavar="FILE",
                        help="annotations that all were scored with, for intervals (default: what the reports name)")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="also write the comparison to this file; of more than two runs, a list of comparisons")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write the comparison as a page to this file")
    typed = vars(parser.parse_intermixed_args(arguments))
    return command_line.exit_status(lambda: _compare(Values(typed, from_environment([_ANNOTATIONS]))))


def _compare(values: Values) -> int:
    targets = {form: values.get(form) for form in ("json", "html") if values.get(form) is not None}
    for form, target in targets.items():
        if target.is_dir():
            raise ConfigurationError(f"--{form} {target}: is a folder; name a file")
    others = [values.get("after"), *(values.get("further") or [])]
    if len(others) >= len(of_comparison.LETTERS):
        raise ConfigurationError(f"{1 + len(others)} runs: a comparison takes {len(of_comparison.LETTERS)}; name fewer")
    found = [comparison.compare(values.get("before"), other, values.get(_ANNOTATIONS.key)) for other in others]
    console = gate_table.console()
    for letter, item in zip(of_comparison.LETTERS[1:], found):
        _print(item, letter, console)
    if "json" in targets:
        documents = list(map(comparison.as_document, found))
        files.write_json(targets["json"], documents[0] if len(documents) == 1 else documents)
    if "html" in targets:
        compare_page.write(found, targets["html"])
    if targets:
        _say(console, "\n".join(["\nwritten:", *(f"  {target}" for target in targets.values())]))
    return command_line.MEASURED


def _print(found: Comparison, letter: str, console: Console) -> None:
    for name, run in (("A", found.before), (letter, found.after)):
        _say(console, f"{name}  {run.path}: {run.model}, {run.images} images of shards {run.shards}")
    _show(console, _headline(found, letter))
    if found.paired.note:
        _say(console, f"95 % intervals: {found.paired.note}")
    for title, changes in (("figures", found.figures), ("AP of each class, worst change first", found.classes)):
        _show(console, _side_by_side(title, letter, {variant: of_variant[:_SHOWN]
                                                     for variant, of_variant in changes.items()}))
        _say_rest(console, len(changes[FLOAT]))
    _print_verdicts(found.verdicts, letter, console)
    _print_quantizers(found, console)
    _list(console, "provenance that differs", found.provenance)


def _headline(found: Comparison, letter: str) -> Table:
    table = _table(f"{letter} against A", "", "A", letter, "difference", "95 % interval", "")
    for change in found.headline:
        interval = found.paired.intervals.get(change.name)
        shown = gate_table.NOTHING if interval is None else " .. ".join(signed(end) for end in interval)
        table.add_row(Text(change.name), *_cells(change), shown, meaning(change.name, interval))
    return table


def _side_by_side(title: str, letter: str, changes: Mapping[str, Sequence[Change]]) -> Table:
    headings = [heading for variant in changes for heading in (f"{variant} A", f"{variant} {letter}", "difference")]
    table = _table(title, "", *headings)
    for of_variants in zip(*changes.values()):
        table.add_row(Text(of_variants[0].name), *(cell for change in of_variants for cell in _cells(change)))
    return table


def _cells(change: Change) -> List[str]:
    return [gate_table.number(change.before), gate_table.number(change.after), signed(change.difference)]


def _print_verdicts(changes: Sequence[VerdictChange], letter: str, console: Console) -> None:
    _say(console, f"\nverdicts that changed:{'' if changes else ' none'}")
    for change in changes:
        style = gate_table.COLOURS[change.after.outcome] if change.after else ""
        _say(console, f"  {change.gate}: {_judged(change, letter)}", style)


def _judged(change: VerdictChange, letter: str) -> str:
    """In words, what a gate said and says: `pass -> fail, 0.0043 -> 0.1585 (<= 0.02)`; of a check, its sentence."""
    if change.before is None or change.after is None:
        side, verdict = (f"only in {letter}", change.after) if change.before is None else ("only in A", change.before)
        return side if verdict is None else f"{side}: {verdict.outcome}, {verdict.message}"
    both = (change.before, change.after)
    if change.after.kind == CHECK:
        return f"{_step(verdict.outcome for verdict in both)}, {gate_table.shortened(change.after.message)}"
    return (f"{_step(verdict.outcome for verdict in both)}, "
            f"{_step(gate_table.number(verdict.value) for verdict in both)} "
            f"({_step(gate_table.limit(verdict.lower, verdict.upper) for verdict in both)})"
            + (f", known failure: {change.after.known_failure}" if change.after.known_failure else ""))


def _step(values: Iterable[str]) -> str:
    return " -> ".join(dict.fromkeys(values))


def _print_quantizers(found: Comparison, console: Console) -> None:
    if found.quantizers.missing:
        _say(console, f"\nquantizers: not compared, {found.quantizers.missing}")
        return
    _list(console, "quantizers that changed", found.quantizers.placement)
    _list(console, "encodings that moved, worst first", [str(drift) for drift in found.quantizers.drifts])


def _list(console: Console, title: str, lines: Sequence[str]) -> None:
    _say(console, f"\n{title}:{'' if lines else ' none'}")
    for line in lines[:_SHOWN]:
        _say(console, f"  {line}")
    _say_rest(console, len(lines))


def _say_rest(console: Console, count: int) -> None:
    if count > _SHOWN:
        _say(console, f"  and {count - _SHOWN} more; --json FILE has all")


def _table(title: str, *headings: str) -> Table:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left", padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(heading, no_wrap=place > 0, overflow="fold", justify="left" if not heading else "right")
    return table


def _show(console: Console, table: Table) -> None:
    console.print()
    console.print(table, width=gate_table.WIDTH, crop=False)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True, style=style)
