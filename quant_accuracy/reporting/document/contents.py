"""Everything that is known of an evaluation as one JSON-like document, from which every form of the report is made."""

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from quant_accuracy.base import concurrency, invocation
from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED, REPORT_SCHEMA_VERSION, VARIANTS
from quant_accuracy.data.shards import format_selection
from quant_accuracy.pipeline import certainty
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.reporting.document import committed, device, distributions, parts
from quant_accuracy.reporting.document.read_report import ANNOTATIONS_KEY, DEPTH_KEY, REPAIR_KEY
from quant_accuracy.reporting.pictures import changed_images
from quant_accuracy.scoring import figure_intervals
from quant_accuracy.scoring.figure_intervals import FigureIntervals, Scored
from quant_accuracy.why import device_depth, explanation
from quant_accuracy.why.explanation import Answer

_CPU_INFO = Path("/proc/cpuinfo")


def as_document(evaluation: Evaluation, folder: Path, why: Optional[Answer] = None,
                repair: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """Everything that is known of an evaluation, JSON-like; within a schema version no field changes its meaning.

    What may differ between two runs of the same thing stands in `run`, and in the history.

    Args:
        evaluation: The evaluation.
        folder: The folder of the report, which gets pictures of the images that lost most.
        why: Where a loss comes from, if that was asked for.
        repair: How it can be repaired, JSON-like, if that was asked for.

    Raises:
        DataError: An image to be drawn cannot be read any more.
        StorageError: The disk is full or the folder cannot be written.
    """
    watch = evaluation.prepared.watch
    with watch.step("intervals"):
        of_device = device.intervals(evaluation)
        intervals = _intervals(evaluation, of_device)
    with watch.step("errors"):
        errors = parts.errors(evaluation, VARIANTS)
    with watch.step("confusion"):
        both = {name: evaluation.variants[name] for name in VARIANTS}
        confusion, calibration = parts.confusions(both, evaluation.prepared.truth), parts.calibration(both)
    with watch.step("curves"):
        curves = parts.curves(evaluation, VARIANTS)
    with watch.step("pictures"):
        changed = changed_images.draw(evaluation, folder)
    depth = device_depth.of_evaluation(evaluation)
    with watch.step("distributions"):
        # They belong to the answer, which takes longer by far.
        values = None if why is None else distributions.as_document(distributions.of_evaluation(evaluation))
    known = essentials(evaluation)
    return {
        **known,
        "intervals": intervals,
        "errors": errors,
        "curves": curves,
        "confusion": confusion,
        "calibration": calibration,
        DEVICE: device.complete(evaluation, known[DEVICE], of_device, folder),
        "quantizers": [asdict(item) for item in evaluation.prepared.snapshot()],
        "distributions": values,
        "snapshot": committed.as_document(evaluation.prepared),
        "batch_norms_left": [asdict(item) for item in evaluation.artifacts.not_folded],
        "changed_images": changed,
        "why": None if why is None else explanation.as_document(why),
        DEPTH_KEY: None if depth is None else device_depth.as_document(depth),
        REPAIR_KEY: None if repair is None else dict(repair),
        "history": [],
    }


def essentials(evaluation: Evaluation) -> Dict[str, Any]:
    """The part of the document that takes no time to make: figures, verdicts, and where they come from."""
    return {
        "schema_version": REPORT_SCHEMA_VERSION,
        "model": evaluation.request.card.name,
        "images": evaluation.variants[FLOAT].metrics.images,
        "shards": format_selection([shard.index for shard in evaluation.shards]),
        ANNOTATIONS_KEY: str(evaluation.prepared.truth.path.resolve()),
        "metrics": {name: asdict(evaluation.variants[name].metrics) for name in VARIANTS},
        "unknown_categories": {name: parts.unknown(evaluation, name) for name in VARIANTS},
        "mAP_drop": difference(evaluation, "mAP"),
        DEVICE: device.as_document(evaluation),
        "verdicts": [asdict(verdict) for verdict in evaluation.verdicts],
        "notes": list(evaluation.notes),
        "provenance": dict(evaluation.figures.provenance),
        "run": _run(evaluation),
    }


def difference(evaluation: Evaluation, figure: str) -> Optional[float]:
    """Float - quantized of one of COCO's figures; None where there is no ground truth."""
    float_value = evaluation.variants[FLOAT].metrics.figures[figure]
    quantized_value = evaluation.variants[QUANTIZED].metrics.figures[figure]
    return None if float_value is None or quantized_value is None else float_value - quantized_value


def _intervals(evaluation: Evaluation, of_device: Optional[FigureIntervals]) -> Dict[str, Any]:
    """95 % intervals of all figures, from the resamples that the gates judge by."""
    judged = evaluation.figures.device
    # A device that has run all of them has had the others resampled, too.
    found = _measured(evaluation) if of_device is None or judged is None or judged.missing else of_device
    return {"resamples": found.resamples, **{name: parts.pairs(found.variants[name]) for name in VARIANTS},
            "drop": parts.pairs(found.drops[VARIANTS]), "class_drop": parts.pairs(found.class_drops[VARIANTS])}


def _measured(evaluation: Evaluation) -> FigureIntervals:
    aps, prepared = evaluation.aps or {}, evaluation.prepared
    sides = {name: Scored(evaluation.variants[name].matches, evaluation.variants[name].metrics, aps.get(name))
             for name in VARIANTS}
    return figure_intervals.measure(sides, [VARIANTS], certainty.draw(prepared),
                                    certainty.class_images(prepared, sides[FLOAT].matches),
                                    # What all images say of others like them is left to chance, as it always is.
                                    0.0 if prepared.whole() else prepared.share())


def _run(evaluation: Evaluation) -> Dict[str, Any]:
    """What may differ between two runs of the same thing."""
    request = evaluation.request
    speeds = {name: evaluation.variants[name].speed if name in evaluation.variants else None
              for name in (*VARIANTS, DEVICE)}
    return {
        "command": invocation.typed(),
        "ended": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": {name: round(seconds, 3) for name, seconds in evaluation.prepared.watch.seconds().items()},
        "images_per_second": {name: None if speed is None else round(speed.images / max(speed.seconds, 1e-9), 1)
                              for name, speed in speeds.items()},
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": concurrency.cores(),
                    "python": platform.python_version()},
        "options": {"shards": request.selection, "shard_count": request.shard_count,
                    "eval_num_examples": request.num_examples, "eval_batch_size": request.batch_size,
                    "threads": request.threads, "jitter": request.jitter, "executor": request.executor.name,
                    "jobs": request.executor.jobs, "shard_timeout": request.executor.shard_timeout, **request.changes},
        "retried": [retry._asdict() for retry in evaluation.prepared.retried],
    }


def _processor() -> str:
    """What the machine calls its processor; its architecture where that is not known."""
    lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines() if _CPU_INFO.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
