"""Everything that is known of an evaluation as one JSON-like document, from which every form of the report is made."""

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np

from quant_accuracy.base import concurrency
from quant_accuracy.base.words import FLOAT, QUANTIZED, REPORT_SCHEMA_VERSION
from quant_accuracy.data.shards import format_selection
from quant_accuracy.pipeline import certainty
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.pipeline.variant import Variant
from quant_accuracy.reporting.document.read_report import ANNOTATIONS_KEY, DEPTH_KEY
from quant_accuracy.reporting.pictures import changed_images
from quant_accuracy.scoring import coco, error_kinds, figure_intervals, matching, numbering
from quant_accuracy.scoring.figure_intervals import Intervals, Scored
from quant_accuracy.why import device_depth, explanation
from quant_accuracy.why.explanation import Answer

_DIGITS = 4
_CPU_INFO = Path("/proc/cpuinfo")


def as_document(evaluation: Evaluation, folder: Path, why: Optional[Answer] = None) -> Dict[str, Any]:
    """Everything that is known of an evaluation, JSON-like; within a schema version no field changes its meaning.

    What may differ between two runs of the same thing stands in `run`, and in the history.

    Args:
        evaluation: The evaluation.
        folder: The folder of the report, which gets pictures of the images that lost most.
        why: Where a loss comes from, if that was asked for.

    Raises:
        DataError: An image to be drawn cannot be read any more.
        StorageError: The disk is full or the folder cannot be written.
    """
    watch = evaluation.prepared.watch
    with watch.step("intervals"):
        intervals = _intervals(evaluation)
    with watch.step("errors"):
        errors = _errors(evaluation)
    with watch.step("curves"):
        curves = _curves(evaluation)
    with watch.step("pictures"):
        changed = changed_images.draw(evaluation, folder)
    depth = device_depth.of_evaluation(evaluation)
    return {
        **essentials(evaluation),
        "intervals": intervals,
        "errors": errors,
        "curves": curves,
        "quantizers": [asdict(item) for item in evaluation.prepared.snapshot()],
        "batch_norms_left": [asdict(item) for item in evaluation.artifacts.not_folded],
        "changed_images": changed,
        "why": None if why is None else explanation.as_document(why),
        DEPTH_KEY: None if depth is None else device_depth.as_document(depth),
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
        "metrics": {name: asdict(variant.metrics) for name, variant in evaluation.variants.items()},
        "unknown_categories": {name: _unknown(evaluation, variant) for name, variant in evaluation.variants.items()},
        "mAP_drop": difference(evaluation, "mAP"),
        "verdicts": [asdict(verdict) for verdict in evaluation.verdicts],
        "notes": list(evaluation.notes),
        "provenance": dict(evaluation.figures.provenance),
        "run": _run(evaluation),
    }


def _unknown(evaluation: Evaluation, variant: Variant) -> Dict[str, int]:
    found = numbering.unknown_categories(variant.merged.results, evaluation.prepared.truth)
    return {str(category): count for category, count in found.items()}


def difference(evaluation: Evaluation, figure: str) -> Optional[float]:
    """Float - quantized of one of COCO's figures; None where there is no ground truth."""
    float_value = evaluation.variants[FLOAT].metrics.figures[figure]
    quantized_value = evaluation.variants[QUANTIZED].metrics.figures[figure]
    return None if float_value is None or quantized_value is None else float_value - quantized_value


def _intervals(evaluation: Evaluation) -> Dict[str, Any]:
    """95 % intervals of all figures, from the resamples that the gates judge by."""
    aps = evaluation.aps or {}
    floats, quantized = (Scored(evaluation.variants[name].matches, evaluation.variants[name].metrics, aps.get(name))
                         for name in (FLOAT, QUANTIZED))
    prepared = evaluation.prepared
    found = figure_intervals.measure(floats, quantized, certainty.draw(prepared),
                                     certainty.class_images(prepared, floats.matches),
                                     # What all images say of others like them is left to chance, as it always is.
                                     0.0 if prepared.whole() else prepared.share())
    return {"resamples": found.resamples, **{name: _pairs(of_variant) for name, of_variant in found.variants.items()},
            "drop": _pairs(found.drop), "class_drop": _pairs(found.class_drop)}


def _pairs(intervals: Intervals) -> Dict[str, Optional[List[float]]]:
    return {name: None if interval is None else list(interval) for name, interval in intervals.items()}


def _errors(evaluation: Evaluation) -> Dict[str, Any]:
    """The six kinds of error by variant, and by how much they differ: quantized - float."""
    truth = evaluation.prepared.truth
    found = {name: error_kinds.analyse(variant.merged, truth, variant.matches)
             for name, variant in evaluation.variants.items()}
    found["difference"] = error_kinds.difference(found[FLOAT], found[QUANTIZED])
    return {name: asdict(kinds) for name, kinds in found.items()}


def _curves(evaluation: Evaluation) -> Dict[str, Any]:
    """Precision at COCO's recalls: the mean over classes at some IoUs, and each class at IoU 0.50."""
    precision = {name: coco.curves(variant.matches).precision for name, variant in evaluation.variants.items()}
    classes = list(evaluation.variants[FLOAT].metrics.per_class)
    at = coco.AT_ONE_IOU
    return {
        "recall": np.round(matching.RECALLS, _DIGITS).tolist(),
        "mean": {name: {"0.50": _mean_curve(found[:, at["AP50"]]), "0.75": _mean_curve(found[:, at["AP75"]]),
                        "0.50:0.95": _mean_curve(found.mean(axis=1))} for name, found in precision.items()},
        "classes": {label: {name: _mean_curve(found[place:place + 1, at["AP50"]])
                            for name, found in precision.items()} for place, label in enumerate(classes)},
    }


def _mean_curve(precision: np.ndarray) -> Optional[List[float]]:
    """The mean over the classes that have ground truth; None where none has: float64 [class, recall] -> [recall]."""
    known = precision[~np.isnan(precision[:, 0])]
    found: Optional[List[float]] = np.round(known.mean(axis=0), _DIGITS).tolist() if len(known) else None
    return found


def _run(evaluation: Evaluation) -> Dict[str, Any]:
    """What may differ between two runs of the same thing."""
    request = evaluation.request
    speeds = {name: variant.speed for name, variant in evaluation.variants.items()}
    return {
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
