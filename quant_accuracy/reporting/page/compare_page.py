"""Runs side by side as one page that needs no other file."""

from pathlib import Path
from typing import Dict, List, Sequence

from quant_accuracy.base import files
from quant_accuracy.reporting.comparison import Comparison
from quant_accuracy.reporting.document import read_shown
from quant_accuracy.reporting.document.read_report import ReportedRun
from quant_accuracy.reporting.document.read_shown import PastRun, Shown
from quant_accuracy.reporting.page import of_comparison, pages


def write(found: Sequence[Comparison], target: Path) -> None:
    """Write the page of one comparison or several, all with the same first run.

    Raises:
        ConfigurationError: A report is damaged.
        StorageError: The disk is full or the folder cannot be written.
    """
    files.write_text(target, render(found))


def render(found: Sequence[Comparison]) -> str:
    """The page of one comparison or several, all with the same first run.

    Raises:
        ConfigurationError: A report is damaged.
    """
    # Half a second for matplotlib.
    from quant_accuracy.reporting.page import drawing, models_plot

    runs = [found[0].before, *(item.after for item in found)]
    shown = [read_shown.read(run) for run in runs]
    past = histories(runs, shown)
    with drawing.own_settings():
        plot = models_plot.draw(past)
    return pages.filled("compare.html.j2", "html", {
        **of_comparison.view(found, shown), **pages.scripted(), "history": plot, "models": models_plot.lines(past)})


def histories(runs: Sequence[ReportedRun], shown: Sequence[Shown]) -> Dict[str, List[PastRun]]:
    """The runs of each model by its name, oldest first; a run that several reports tell of is one."""
    found: Dict[str, List[PastRun]] = {}
    for run, own in zip(runs, shown):
        found[run.model] = sorted({*found.get(run.model, ()), *own.history}, key=lambda past: past.ended)
    return found
