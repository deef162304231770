"""Search for a change that brings a red model card back, and prove it.

Remedies are tried from cheap to dear, alone and stacked. The first that passes every gate is measured on all images,
and on shards that the search has not seen. Left behind are the report, and in `repair/` a model card with only what
changed, the repaired checkpoint with its encodings where weights changed, and a table of everything that was tried.

Exit status: 0 when there is a repair, or nothing to be repaired; 1 when there is none; 2 when something could not be
measured.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Optional

from quant_accuracy.base import command_line, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import CLIP, REMEDIES, REPAIR_FOLDER
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE, OF_DEVICE, OF_QUANTIZATION
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values, from_environment

if TYPE_CHECKING:
    from quant_accuracy.pipeline.evaluation import Evaluation

# What is red besides, and is nothing for a repair.
_OTHERS = {
    **dict.fromkeys((*OF_BASELINE, ENCODINGS_DRIFT, "quantizers_of_snapshot"),
                    "compared with what is committed (if the change is meant, run pytest with --update-baselines)"),
    **dict.fromkeys(OF_DEVICE, "for what the device loses against the simulation (report --why says where)"),
}
_ELSE = "which other settings of quantization do not mend (the lines above say what does)"


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
        for request in wanted:
            _require_repairable(request)
            preflight.check_replaced(folders.output(kept, request.card.name) / REPAIR_FOLDER, request,
                                     folders.cards(kept))
        progress.log(f"looking for a repair of {', '.join(request.card.name for request in wanted)}")
        status = command_line.MEASURED
        for request in wanted:
            status = max(status, _repair_one(kept, request, cache))
        return status


def _repair_one(values: Values, request: Request, cache: Cache) -> int:
    # TensorFlow takes seconds to import: not before the options are known to be right.
    from quant_accuracy.pipeline import evaluation
    from quant_accuracy.reporting import gate_table, terminal

    result = evaluation.evaluate(request, cache)
    target = folders.output(values, request.card.name)
    if not _red(result, bool(values.get("strict"))):
        terminal.print_table(result, gate_table.console())
        print(f"\n{request.card.name}: nothing to repair: {_why_not(result)}")
        return command_line.MEASURED
    return _search(values, result, target)


def _search(values: Values, result: "Evaluation", target: Path) -> int:
    from quant_accuracy.repair.plan import INTERRUPTED, Plan
    from quant_accuracy.repair.search import search
    from quant_accuracy.reporting import repair_output, repair_table

    plan = Plan(values.get("remedies") or REMEDIES, values.get("budget") or options.DEFAULT_REPAIR_BUDGET,
                values.get("search_images") or options.DEFAULT_SEARCH_IMAGES, bool(values.get("exhaustive")),
                bool(values.get("strict")), values.get("relu6") or CLIP, not values.get("no_cache"))
    outcome = search(result, plan)
    given = cards.load(result.request.card.given or result.request.card.name, folders.cards(values))
    left = repair_output.write(result, outcome, plan, given, target, values.get("history"))
    print("\n".join(["", *repair_table.lines(left.document), "", f"{result.request.card.name}: {left.document['line']}",
                     "", "written:", *(f"  {path}" for path in left.files)]))
    if outcome.ended == INTERRUPTED:
        raise KeyboardInterrupt
    return command_line.MEASURED if outcome.repaired else command_line.GATE_FAILED


def _require_repairable(request: Request) -> None:
    from quant_accuracy.quantization.records import BUILTIN

    if not any(gate.name in OF_QUANTIZATION for gate in request.card.gates):
        raise ConfigurationError(f"{request.card.name}: has none of the gates {', '.join(OF_QUANTIZATION)}, so there "
                                 "is nothing that a repair could meet; give the card one")
    if request.card.quantization.backend != BUILTIN:
        raise ConfigurationError("--backend: a search quantizes the network dozens of times, which AIMET takes minutes "
                                 "for each time; leave the option out, and run the repaired card with it")


def _red(result: "Evaluation", strict: bool) -> bool:
    """Whether a gate that a repair can meet is red, or known to be; one whose known failure is over is not."""
    from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, KNOWN

    red = {FAIL, KNOWN, *([INCONCLUSIVE] if strict else [])}
    return any(verdict.outcome in red and verdict.gate in OF_QUANTIZATION
               and not (verdict.outcome == FAIL and verdict.known_failure) for verdict in result.verdicts)


def _why_not(result: "Evaluation") -> str:
    from quant_accuracy.judging.verdicts import INCONCLUSIVE

    of = [verdict for verdict in result.verdicts if verdict.gate in OF_QUANTIZATION]
    over = [verdict.gate for verdict in of if verdict.known_failure]
    unsure = [verdict.gate for verdict in of if verdict.outcome == INCONCLUSIVE]
    if over:
        return f"{', '.join(over)}: known to fail, and passes now; remove known_failure from the card"
    if unsure:
        return (f"no gate on what quantization costs fails; {', '.join(unsure)}: inconclusive, which is red with "
                f"--strict, and more images may decide{_others(result)}")
    return f"every gate on what quantization costs passes{_others(result)}"


def _others(result: "Evaluation") -> str:
    """What is red besides, and what mends that."""
    from quant_accuracy.judging.verdicts import FAIL

    found: Dict[str, List[str]] = {}
    for verdict in result.verdicts:
        if verdict.outcome == FAIL:
            found.setdefault(_OTHERS.get(verdict.gate, _ELSE), []).append(verdict.gate)
    return "".join(f"; red besides: {', '.join(gates)}, {remedy}" for remedy, gates in found.items())
