"""What an evaluation leaves for its readers: files that can be opened."""

import json
import shutil
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.words import DEVICE, NETWORK, REPORT_FORMS
from quant_accuracy.device import contract
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.quantization import aimet_onnx, export, snapshot
from quant_accuracy.quantization.records import AIMET
from quant_accuracy.reporting.document import contents, history
from quant_accuracy.reporting.document.read_report import SNAPSHOT_FILE
from quant_accuracy.reporting.page import pages
from quant_accuracy.why.explanation import Answer

ONNX = "onnx"
_EXPORTED = ("model.encodings", "quantizers.json", "quantsim.pb")


def write(evaluation: Evaluation, folder: Path, kept: Optional[Path] = None,
          why: Optional[Answer] = None, repair: Optional[Mapping[str, Any]] = None) -> List[Path]:
    """Write the report in all forms with its pictures, the quantizers, and the detections in COCO's results format.

    Args:
        evaluation: The evaluation.
        folder: Where the files go.
        kept: A history that the run is added to before; the report shows it.
        why: Where a loss comes from, if that was asked for.
        repair: How it can be repaired, as the schema of the report has it, if that was asked for.

    Returns:
        The files; `report.md` is among them. Pictures stand in `images`.

    Raises:
        QuantAccuracyError: An image cannot be read any more, the history cannot be read, or something cannot be
            written.
    """
    document = contents.as_document(evaluation, folder, why, repair)
    if kept is not None:
        document = history.remember(kept, document)
    return [*pages.write(document, folder, REPORT_FORMS), *write_evidence(evaluation, folder)]


def write_evidence(evaluation: Evaluation, folder: Path) -> List[Path]:
    """Write what a report was made of, for `compare` and other tools: the snapshot and the detections; say where.

    Raises:
        StorageError: Something cannot be written.
    """
    written = [folder / SNAPSHOT_FILE]
    snapshot.write(written[-1], evaluation.prepared.snapshot())
    for name, variant in evaluation.variants.items():
        written.append(folder / "detections" / f"{name}.json")
        _write_coco(written[-1], variant)
    _remove_stale([folder / "detections" / f"{DEVICE}.json"], written)
    return written


def _write_coco(target: Path, variant: Variant) -> None:
    """One record a line, so that the file is never whole in memory."""
    with files.atomic_path(target) as path, open(str(path), "w", encoding="utf-8") as file:
        separator = "["
        for record in variant.merged.as_coco():
            file.write(separator + json.dumps(record))
            separator = ",\n"
        file.write("]\n" if separator != "[" else "[]\n")


def export_quantsim(built: Artifacts, folder: Path) -> List[Path]:
    """Write what AIMET's `export` writes, and quantizers, simulation graph and integer model besides; say where.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    written = [_copied(built.quantsim_folder / name, folder) for name in _EXPORTED]
    if built.device is not None:
        written += [_copied(path, folder) for path in contract.of(built.device.kind).exported(built.device.folder)]
    _remove_stale([path for kind in contract.kinds() for path in contract.of(kind).exported(folder)], written)
    if built.simulator == AIMET:
        # AIMET's encodings have the names of AIMET's graph.
        return list(dict.fromkeys(written + [_copied(path, folder) for path
                                             in sorted((built.quantsim_folder / "export").iterdir())]))
    written += _exported_onnx(built, folder / ONNX)
    export.write_yaml(folder / "model.encodings", folder / "model.encodings.yaml")
    return [*written, folder / "model.encodings.yaml", *export.write_checkpoint(built.graph(NETWORK), folder)]


def _exported_onnx(built: Artifacts, folder: Path) -> List[Path]:
    """What AIMET for ONNX has exported, whose names are those of its model: in a folder of its own."""
    source = built.quantsim_folder / aimet_onnx.EXPORT
    return [_copied(path, folder) for path in sorted(source.iterdir())] if source.is_dir() else []


def _remove_stale(paths: Sequence[Path], written: Sequence[Path]) -> None:
    """Remove what an earlier run with a device has left: it would be taken for this run's."""
    for path in paths:
        if path not in written and path.is_file():
            with files.storage_errors(path):
                path.unlink()


def _copied(source: Path, folder: Path) -> Path:
    with files.atomic_path(folder / source.name) as path:
        shutil.copyfile(str(source), str(path))
    return folder / source.name
