"""What an evaluation leaves for its readers: a table, and files that can be opened."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Optional

from rich.console import Console
from rich.table import Table

from quant_accuracy import comparison, error_kinds, files, gate_table, pages, verdicts
from quant_accuracy.artifacts import FLOAT, QUANTIZED
from quant_accuracy.data.shards import format_selection
from quant_accuracy.evaluation import Evaluation, Variant
from quant_accuracy.options import REPORT_FORMS
from quant_accuracy.quantization import export, snapshot
from quant_accuracy.quantization.records import AIMET

SCHEMA_VERSION = 2
_SHOWN = ("mAP", "AP50", "AP75", "AR100")
_EXPORTED = ("model.encodings", "quantizers.json", "quantsim.pb")


def as_document(evaluation: Evaluation) -> Dict[str, Any]:
    """Everything that is known of an evaluation, JSON-like; within a schema version no field changes its meaning."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": evaluation.request.card.name,
        "images": evaluation.variants[FLOAT].metrics.images,
        "shards": format_selection([shard.index for shard in evaluation.shards]),
        "metrics": {name: asdict(variant.metrics) for name, variant in evaluation.variants.items()},
        "mAP_drop": _difference(evaluation, "mAP"),
        "verdicts": [asdict(verdict) for verdict in evaluation.verdicts],
        "errors": _errors(evaluation),
        "quantizers": {"total": len(evaluation.artifacts.quantizers),
                       "enabled": sum(quantizer.enabled for quantizer in evaluation.artifacts.quantizers)},
        "batch_norms_left": [asdict(item) for item in evaluation.artifacts.left_out],
        "provenance": dict(evaluation.figures.provenance),
    }


def _errors(evaluation: Evaluation) -> Dict[str, Any]:
    """The six kinds of error by variant, and by how much they differ: quantized - float."""
    truth = evaluation.prepared.truth
    found = {name: error_kinds.analyse(variant.merged, truth, variant.matches)
             for name, variant in evaluation.variants.items()}
    found["difference"] = error_kinds.difference(found[FLOAT], found[QUANTIZED])
    return {name: asdict(kinds) for name, kinds in found.items()}


def write(evaluation: Evaluation, folder: Path) -> List[Path]:
    """Write the report in all forms, the quantizers, and the detections in COCO's results format; say where."""
    written = pages.write(as_document(evaluation), folder, REPORT_FORMS)
    written.append(folder / comparison.SNAPSHOT_FILE)
    snapshot.write(written[-1], evaluation.prepared.snapshot())
    for name, variant in evaluation.variants.items():
        written.append(folder / "detections" / f"{name}.json")
        _write_coco(written[-1], variant)
    return written


def _write_coco(target: Path, variant: Variant) -> None:
    """One record a line, so that the file is never whole in memory."""
    with files.atomic_path(target) as path, open(str(path), "w", encoding="utf-8") as file:
        separator = "["
        for record in variant.merged.as_coco():
            file.write(separator + json.dumps(record))
            separator = ",\n"
        file.write("]\n" if separator != "[" else "[]\n")


def export_quantsim(evaluation: Evaluation, folder: Path) -> List[Path]:
    """Write what AIMET's `export` writes, and the quantizers and the simulation graph besides; say where."""
    built = evaluation.artifacts
    written = [_copied(built.quantsim_folder / name, folder) for name in _EXPORTED]
    if built.simulator == AIMET:
        return written + [_copied(path, folder) for path in sorted((built.quantsim_folder / "export").iterdir())
                          if path.name not in _EXPORTED]
    export.write_yaml(folder / "model.encodings", folder / "model.encodings.yaml")
    return [*written, folder / "model.encodings.yaml", *export.write_checkpoint(built.graph(FLOAT), folder)]


def _copied(source: Path, folder: Path) -> Path:
    with files.atomic_path(folder / source.name) as path:
        shutil.copyfile(str(source), str(path))
    return folder / source.name


def print_table(evaluation: Evaluation, console: Console) -> None:
    """Print the figures of both variants, their difference, and the verdicts."""
    table = Table(title=evaluation.request.card.name, title_justify="left")
    table.add_column("variant")
    for heading in (*_SHOWN, "drop", "images", "images/s"):
        table.add_column(heading, justify="right")
    for name in (FLOAT, QUANTIZED):
        variant = evaluation.variants[name]
        drop = "" if name == FLOAT else gate_table.number(_difference(evaluation, "mAP"))
        table.add_row(name, *(gate_table.number(variant.metrics.figures[figure]) for figure in _SHOWN), drop,
                      str(variant.metrics.images), _rate(variant))
    console.print(table)
    rows = [gate_table.row(asdict(verdict)) for verdict in evaluation.verdicts]
    console.print(gate_table.terminal("gates", rows), width=gate_table.WIDTH, crop=False)
    for verdict in evaluation.verdicts:
        if verdict.outcome != verdicts.PASS:
            console.print(f"{verdict.outcome.upper()} {verdict.gate}: {verdict.message}", highlight=False,
                          markup=False, style=gate_table.COLOURS[verdict.outcome], soft_wrap=True)


def _difference(evaluation: Evaluation, figure: str) -> Optional[float]:
    before = evaluation.variants[FLOAT].metrics.figures[figure]
    after = evaluation.variants[QUANTIZED].metrics.figures[figure]
    return None if before is None or after is None else before - after


def _rate(variant: Variant) -> str:
    if variant.speed is None:
        return "cached"
    return f"{variant.speed.images / max(variant.speed.seconds, 1e-9):.1f}"
