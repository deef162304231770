"""What an evaluation leaves for its readers: files that can be opened."""

import json
import shutil
from pathlib import Path
from typing import List

from quant_accuracy import files
from quant_accuracy.artifacts import FLOAT
from quant_accuracy.evaluation import Evaluation, Variant
from quant_accuracy.options import REPORT_FORMS
from quant_accuracy.quantization import export, snapshot
from quant_accuracy.quantization.records import AIMET
from quant_accuracy.reporting import contents, pages
from quant_accuracy.reporting.reported import SNAPSHOT_FILE

_EXPORTED = ("model.encodings", "quantizers.json", "quantsim.pb")


def write(evaluation: Evaluation, folder: Path) -> List[Path]:
    """Write the report in all forms, the quantizers, and the detections in COCO's results format; say where."""
    written = pages.write(contents.as_document(evaluation), folder, REPORT_FORMS)
    written.append(folder / SNAPSHOT_FILE)
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
