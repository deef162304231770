"""What a search for a repair leaves: the report, and the repair in a folder of its own beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.base import files
from quant_accuracy.base.words import REPAIR_FOLDER
from quant_accuracy.judging.verdicts import PASS
from quant_accuracy.pipeline import trial
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.repair import answer, card_file
from quant_accuracy.repair.plan import Plan
from quant_accuracy.repair.search import Outcome
from quant_accuracy.reporting import output, repair_table
from quant_accuracy.settings.card import ModelCard


class Left(NamedTuple):
    """What was left.

    Attributes:
        document: What the search has found, as reports have it.
        files: Where it stands, the repaired card first if there is one.
    """

    document: Mapping[str, Any]
    files: Sequence[Path]


def write(evaluation: Evaluation, outcome: Outcome, plan: Plan, given: ModelCard, folder: Path,
          kept: Optional[Path] = None) -> Left:
    """Write what a search has found: first the repair itself, then the report.

    Args:
        evaluation: The evaluation of the red card.
        outcome: What the search has found.
        plan: What it could try.
        given: The red card as its file says it, without what options changed.
        folder: Where the report goes; the repair goes to `repair` in it, and replaces one that is there.
        kept: A history that the run is added to.

    Raises:
        StorageError: Something cannot be written.
    """
    target = folder / REPAIR_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(target, replace=True) as scratch:
        scratch.mkdir()
        written = _of_chosen(evaluation, outcome, given, scratch, target)
        text = written[0].read_text(encoding="utf-8") if written else ""
        named = [f"{REPAIR_FOLDER}/{path.relative_to(scratch)}" for path in written]
        count = sum(shard.records for shard in evaluation.prepared.shards)
        # An option may have asked for a device that the card does not have.
        measured = replace(given, device=evaluation.request.card.device)
        document = answer.as_document(outcome, measured, plan, count, evaluation.float.metrics.figures["mAP"], text,
                                      named)
        files.write_json(scratch / "repair.json", document)
        files.write_text(scratch / "repair.md", repair_table.markdown(document))
        names = [*(path.relative_to(scratch) for path in written), Path("repair.md"), Path("repair.json")]
    report = output.write(evaluation, folder, kept, repair=document)
    return Left(document, [*(target / name for name in names), *report])


def _of_chosen(evaluation: Evaluation, outcome: Outcome, given: ModelCard, scratch: Path, target: Path) -> List[Path]:
    """The card of what was chosen, and its checkpoint and encodings where weights changed."""
    if outcome.chosen is None:
        return []
    card = outcome.chosen.whole.candidate.card
    passing = [gate for gate, said in outcome.chosen.whole.gates.items() if said == PASS]
    written = card_file.write(given, card, scratch, target, passing if outcome.repaired else [])
    if card.quantized_checkpoint != given.quantized_checkpoint:
        written += output.export_quantsim(trial.with_card(evaluation.prepared, card).artifacts, scratch)
    return written
