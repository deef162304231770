"""Measure the numerical jitter of a model's figures: run-to-run variation from float32 rounding.

The network's input is scaled by 1 + k * 1e-6 for k from -4 to 4, and both variants are evaluated under each. Finished
shards are kept, so an interrupted measurement goes on where it stopped.
"""

from pathlib import Path
from typing import TYPE_CHECKING, List, Mapping, Optional, Sequence, Tuple

from rich.console import Console
from rich.table import Table

from quant_accuracy.base import command_line, files, progress
from quant_accuracy.judging import jitter
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.values import Values, from_environment

if TYPE_CHECKING:
    from quant_accuracy.judging.jitter import Jitter


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy jitter", description=(__doc__ or "").splitlines()[0])
    options.declare(parser, options.JITTER_OPTIONS)
    typed = vars(parser.parse_args(arguments))
    return command_line.exit_status(lambda: _measure(Values(typed, from_environment(options.JITTER_OPTIONS))))


def _measure(values: Values) -> int:
    from quant_accuracy.demo import ready
    from quant_accuracy.settings import preflight

    with folders.without_cache(requests.expanded(values)) as kept:
        wanted, cache = preflight.resolve(kept, ready.data_paths)
        progress.log(f"measuring the jitter of {', '.join(request.card.name for request in wanted)}")
        # TensorFlow takes seconds to import: not before the options are known to be right.
        from quant_accuracy.pipeline import prepared, variations

        for request in wanted:
            found = variations.measure_jitter(prepared.prepare(request, cache))
            target = folders.output(kept, request.card.name) / "jitter.json"
            files.write_json(target, jitter.as_document(found))
            _print(request.card.name, found, target)
    return command_line.MEASURED


def _print(model: str, found: "Jitter", target: Path) -> None:
    console = Console()
    console.print(_table(f"{model}: numerical jitter", found.figures))
    console.print(_table("mAP drop of each class", found.class_drops()))
    console.print(f"\nwritten:\n  {target}", highlight=False, soft_wrap=True)


def _table(title: str, rows: Mapping[str, Sequence[float]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for heading in ("unscaled", "mean", "smallest", "largest", "99 % lie within"):
        table.add_column(heading, justify="right")
    for name, values in rows.items():
        table.add_row(name, *_numbers(tuple(values)))
    return table


def _numbers(values: Tuple[float, ...]) -> List[str]:
    shown = [values[0], jitter.centre(values), min(values), max(values)]
    return [*(f"{value:.4f}" for value in shown), f"±{jitter.tolerance(values):.4f}"]
