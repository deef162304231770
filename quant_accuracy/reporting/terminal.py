"""An evaluation as tables for the terminal."""

from dataclasses import asdict
from typing import Optional

from rich.console import Console
from rich.table import Table

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.judging import verdicts
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.document import contents
from quant_accuracy.why import device_depth
from quant_accuracy.why.explanation import Answer

_SHOWN = ("mAP", "AP50", "AP75", "AR100")


def print_table(evaluation: Evaluation, console: Console, why: Optional[Answer] = None) -> None:
    """Print the figures of all variants, their differences, the verdicts, and why they are what they are."""
    console.print(_figures(evaluation))
    rows = map(gate_table.row, gate_table.in_order(map(asdict, evaluation.verdicts)))
    title = gate_table.counted([verdict.kind for verdict in evaluation.verdicts])
    console.print(gate_table.terminal(title, rows), width=gate_table.WIDTH, crop=False)
    for verdict in evaluation.verdicts:
        if verdict.outcome != verdicts.PASS:
            message = gate_table.shortened(verdict.message)
            console.print(f"{verdict.outcome.upper()} {verdict.gate}: {message}", highlight=False, markup=False,
                          style=gate_table.COLOURS[verdict.outcome], soft_wrap=True)
    for note in evaluation.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
    for retry in evaluation.prepared.retried:
        console.print(retry.line(), highlight=False, markup=False, soft_wrap=True)
    for line in device_depth.told(evaluation):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for line in [] if why is None else [*why.lines(), why.effort()]:
        console.print(f"why: {line}", highlight=False, markup=False, soft_wrap=True)


def _figures(evaluation: Evaluation) -> Table:
    """A row for each variant, with what it lost against those above."""
    device = evaluation.figures.device
    table = Table(title=evaluation.request.card.name, title_justify="left")
    table.add_column("variant")
    for heading in (*_SHOWN, "drop", *([] if device is None else ["device drop"]), "images", "images/s"):
        table.add_column(heading, justify="right")
    drops = {FLOAT: "", QUANTIZED: gate_table.number(contents.difference(evaluation, "mAP"))}
    added = {}
    if device is not None:
        # On the images that it has run.
        before, simulated, after = (metrics.figures["mAP"] for metrics in (
            device.float_metrics, device.quantized_metrics, device.metrics))
        if before is not None and simulated is not None and after is not None:
            drops[DEVICE], added[DEVICE] = (gate_table.number(value - after) for value in (before, simulated))
    for name, variant in evaluation.variants.items():
        table.add_row(name, *(gate_table.number(variant.metrics.figures[figure]) for figure in _SHOWN),
                      drops.get(name, ""), *([] if device is None else [added.get(name, "")]),
                      str(variant.metrics.images),
                      gate_table.NOTHING if name == DEVICE and evaluation.artifacts.device is None else _rate(variant))
    return table


def _rate(variant: Variant) -> str:
    if variant.speed is None:
        return "cached"
    return f"{variant.speed.images / max(variant.speed.seconds, 1e-9):.1f}"
