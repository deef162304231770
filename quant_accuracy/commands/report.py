"""Evaluate a model, float and quantized, and report.

Exit status: 0 when no gate and no check fails, 1 when one fails (with --strict also when one is inconclusive), 2 when
something could not be measured.
"""

from pathlib import Path
from typing import List, Optional, Sequence

from quant_accuracy.base import command_line, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values, from_environment, why_budget


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy report", description=(__doc__ or "").splitlines()[0])
    options.declare(parser, options.REPORT_OPTIONS)
    typed = vars(parser.parse_args(arguments))
    return command_line.exit_status(lambda: _report(Values(typed, from_environment(options.REPORT_OPTIONS))))


def _report(values: Values) -> int:
    from quant_accuracy.demo import ready
    from quant_accuracy.settings import preflight

    with folders.without_cache(requests.expanded(values)) as kept:
        return _report_each(kept, *preflight.resolve(kept, ready.data_paths))


def _report_each(values: Values, wanted: Sequence[Request], cache: Cache) -> int:
    progress.log(f"evaluating {', '.join(request.card.name for request in wanted)}, float and quantized")
    # TensorFlow takes seconds to import: not before the options are known to be right.
    from quant_accuracy.judging import verdicts
    from quant_accuracy.pipeline import evaluation
    from quant_accuracy.reporting import gate_table, output, terminal
    from quant_accuracy.why import explanation

    red = {verdicts.FAIL, verdicts.INCONCLUSIVE} if values.get("strict") else {verdicts.FAIL}
    failed = False
    for request in wanted:
        result = evaluation.evaluate(request, cache)
        why = explanation.explain(result, why_budget(values)) if values.get("why") else None
        written = output.write(result, folders.output(values, request.card.name), values.get("history"), why)
        _summarize(written)
        exported = folders.quantsim(values, request.card.name)
        if exported is not None:
            written += output.export_quantsim(result.artifacts, exported)
        terminal.print_table(result, gate_table.console(), why)
        print("\nwritten:")
        for path in written:
            print(f"  {path}")
        failed |= any(verdict.outcome in red for verdict in result.verdicts)
    return command_line.GATE_FAILED if failed else command_line.MEASURED


def _summarize(written: Sequence[Path]) -> None:
    """Show the Markdown report where CI shows summaries."""
    from quant_accuracy.reporting.page import pages

    pages.append_step_summary(next(path for path in written if path.name == "report.md").read_text(encoding="utf-8"))
