"""Search for a change that brings a red model card back, and prove it.

Remedies are tried from cheap to dear, alone and stacked. The first that passes every gate is measured on all images,
and on shards that the search has not seen. Left behind are the report, and in `repair/` a model card with only what
changed, the repaired checkpoint with its encodings where weights changed, and a table of everything that was tried.

Exit status: 0 when there is a repair, or nothing to be repaired; 1 when there is none; 2 when something could not be
measured.
"""

from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from quant_accuracy.base import command_line, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import REMEDIES
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values, from_environment

if TYPE_CHECKING:
    from quant_accuracy.pipeline.evaluation import Evaluation


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy repair", description=(__doc__ or "").splitlines()[0])
    options.declare(parser, options.REPAIR_OPTIONS)
    typed = vars(parser.parse_args(arguments))
    return command_line.exit_status(lambda: _repair(Values(typed, from_environment(options.REPAIR_OPTIONS))))


def _repair(values: Values) -> int:
    from quant_accuracy.demo import ready
    from quant_accuracy.settings import preflight

    with folders.without_cache(requests.expanded(values)) as kept:
        wanted, cache = preflight.resolve(kept, ready.data_paths)
        progress.log(f"looking for a repair of {', '.join(request.card.name for request in wanted)}")
        status = command_line.MEASURED
        for request in wanted:
            status = max(status, _repair_one(kept, request, cache))
        return status


def _repair_one(values: Values, request: Request, cache: Cache) -> int:
    # TensorFlow takes seconds to import: not before the options are known to be right.
    from quant_accuracy.pipeline import evaluation, trial
    from quant_accuracy.quantization.records import BUILTIN
    from quant_accuracy.reporting import gate_table, terminal

    if not any(gate.name in trial.GATES for gate in request.card.gates):
        raise ConfigurationError(f"{request.card.name}: has none of the gates {', '.join(trial.GATES)}, so there is "
                                 "nothing that a repair could meet; give the card one")
    if request.card.quantization.backend != BUILTIN:
        raise ConfigurationError("--backend: a search quantizes the network dozens of times, which AIMET takes minutes "
                                 "for each time; leave the option out, and run the repaired card with it")
    result = evaluation.evaluate(request, cache)
    target = folders.output(values, request.card.name)
    if not _red(result, bool(values.get("strict"))):
        terminal.print_table(result, gate_table.console())
        print(f"\n{request.card.name}: nothing to repair: every gate on what quantization costs passes")
        return command_line.MEASURED
    return _search(values, result, target)


def _search(values: Values, result: "Evaluation", target: Path) -> int:
    from quant_accuracy.repair.plan import INTERRUPTED, Plan
    from quant_accuracy.repair.search import search
    from quant_accuracy.reporting import repair_output, repair_table

    plan = Plan(values.get("remedies") or REMEDIES, values.get("budget") or options.DEFAULT_REPAIR_BUDGET,
                values.get("search_images") or options.DEFAULT_SEARCH_IMAGES, bool(values.get("exhaustive")),
                bool(values.get("strict")))
    outcome = search(result, plan)
    given = cards.load(result.request.card.given or result.request.card.name, folders.cards(values))
    left = repair_output.write(result, outcome, plan, given, target, values.get("history"))
    print("\n".join(["", *repair_table.lines(left.document), "", f"{result.request.card.name}: {left.document['line']}",
                     "", "written:", *(f"  {path}" for path in left.files)]))
    if outcome.ended == INTERRUPTED:
        raise KeyboardInterrupt
    return command_line.MEASURED if outcome.repaired else command_line.GATE_FAILED


def _red(result: "Evaluation", strict: bool) -> bool:
    """Whether a gate that a repair can meet is red."""
    from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE
    from quant_accuracy.pipeline import trial

    red = {FAIL, INCONCLUSIVE} if strict else {FAIL}
    return any(verdict.outcome in red and verdict.gate in trial.GATES for verdict in result.verdicts)
