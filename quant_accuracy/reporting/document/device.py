"""What a report tells of a device beside the other variants: on which images, what it loses, what it agrees on."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

import numpy as np

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.device import parameters
from quant_accuracy.judging.verdicts import DeviceFigures
from quant_accuracy.pipeline import device_figures
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.reporting.document import parts
from quant_accuracy.reporting.pictures import changed_images
from quant_accuracy.scoring import agreement, bootstrap, error_kinds, figure_intervals
from quant_accuracy.scoring.agreement import Agreement
from quant_accuracy.scoring.figure_intervals import FigureIntervals, Scored
from quant_accuracy.scoring.metrics import Metrics

# What the simulation loses, what the device loses in addition, and both together.
PAIRS = _, _ADDED, _WHOLE = [(FLOAT, QUANTIZED), (QUANTIZED, DEVICE), (FLOAT, DEVICE)]
# So many percent of the scores differ by less than the difference that is called large.
_LARGE = 95


def as_document(evaluation: Evaluation) -> Optional[Dict[str, Any]]:
    """What is known of the device in no time, JSON-like; None where there is none."""
    device = evaluation.figures.device
    if device is None:
        return None
    # All on the images that the device has run, which may be fewer than those of the other figures.
    return {
        "images": device.metrics.images,
        "missing": device.missing,
        "metrics": {FLOAT: asdict(device.float_metrics), QUANTIZED: asdict(device.quantized_metrics),
                    DEVICE: asdict(device.metrics)},
        "unknown_categories": parts.unknown(evaluation, DEVICE),
        "mAP_drop": _lost(device.quantized_metrics, device.metrics),
        "whole_mAP_drop": _lost(device.float_metrics, device.metrics),
        "agreement": _agreement(device, evaluation.prepared.truth.categories),
        "parameters": _parameters(evaluation),
    }


def _parameters(evaluation: Evaluation) -> Optional[Dict[str, Any]]:
    """What became of the encodings in the integer model; None where the model is somebody else's."""
    model = evaluation.artifacts.device
    found = () if model is None else parameters.read(model.folder)
    if not found:
        return None
    return {"counts": parameters.counts(found),
            "differing": [asdict(item) for item in found if item.kind not in (parameters.SAME, parameters.BIAS)]}


def intervals(evaluation: Evaluation) -> Optional[FigureIntervals]:
    """95 % intervals of all variants, and of `PAIRS`, on the images that the device has run; None without a device."""
    prepared, variants, aps = evaluation.prepared, evaluation.variants, evaluation.aps or {}
    if evaluation.figures.device is None:
        return None
    sides = device_figures.on_its_images(prepared, variants)
    scored = {name: Scored(side.matches, side.metrics, aps.get(name) if side is variants[name] else None)
              for name, side in sides.items()}
    share = 0.0 if device_figures.has_all(prepared, variants) else device_figures.share(prepared, variants)
    return figure_intervals.measure(scored, PAIRS, bootstrap.draw(len(sides[DEVICE].matches.image_ids)),
                                    device_figures.class_images(prepared, variants), share)


def complete(evaluation: Evaluation, known: Optional[Mapping[str, Any]], found: Optional[FigureIntervals],
             folder: Path) -> Optional[Dict[str, Any]]:
    """Everything that is known of the device, JSON-like; None where there is none.

    Args:
        evaluation: The evaluation.
        known: What `as_document` gives of it.
        found: What `intervals` gives of it.
        folder: The folder of the report, which gets pictures of the images that lost most on the device.

    Raises:
        DataError: An image to be drawn cannot be read any more.
        StorageError: The disk is full or the folder cannot be written.
    """
    if known is None or found is None:
        return None
    return {
        **known,
        "intervals": {DEVICE: parts.pairs(found.variants[DEVICE]), "drop": parts.pairs(found.drops[_ADDED]),
                      "class_drop": parts.pairs(found.class_drops[_ADDED]),
                      "whole_drop": parts.pairs(found.drops[_WHOLE]),
                      "whole_class_drop": parts.pairs(found.class_drops[_WHOLE])},
        **_on_its_images(evaluation),
        "curves": parts.curves(evaluation, [DEVICE]),
        "changed_images": changed_images.draw_of_device(evaluation, folder),
    }


def _lost(before: Metrics, after: Metrics) -> Optional[float]:
    one, other = before.figures["mAP"], after.figures["mAP"]
    return None if one is None or other is None else one - other


def _on_its_images(evaluation: Evaluation) -> Dict[str, Any]:
    """The device's kinds of error, confusion of classes and calibration, beside the simulation on the same images."""
    found, truth = device_figures.on_its_images(evaluation.prepared, evaluation.variants), evaluation.prepared.truth
    sides = {name: found[name] for name in _ADDED}
    simulated, device = (error_kinds.analyse(side.merged, truth, side.matches) for side in sides.values())
    return {"errors": {DEVICE: asdict(device), "difference": asdict(error_kinds.difference(simulated, device))},
            "confusion": parts.confusions(sides, truth), "calibration": parts.calibration(sides)}


def _agreement(device: DeviceFigures, categories: Mapping[int, str]) -> Dict[str, Any]:
    found, interval = device.agreement, device.agreement_interval
    return {
        "score": found.rule.score, "other_score": agreement.OTHER_SCORE * found.rule.score, "iou": found.rule.iou,
        "share": found.share, "interval": None if interval is None else list(interval),
        "simulated": int(found.asked.sum()), "agreed": int(found.agreed.sum()), "lacking": dict(found.reasons),
        "device": int(device.extra.asked.sum()), "device_agreed": int(device.extra.agreed.sum()),
        "mean_iou": _known(found.ious, np.mean),
        "mean_score_difference": _known(found.score_differences, np.mean),
        "large_score_difference": _known(np.abs(found.score_differences), lambda each: np.percentile(each, _LARGE)),
        "classes": _classes(found, categories),
    }


def _known(values: np.ndarray, figure: Callable[[np.ndarray], float]) -> Optional[float]:
    return float(figure(values)) if len(values) else None


def _classes(found: Agreement, categories: Mapping[int, str]) -> Dict[str, Dict[str, int]]:
    """How many detections of each class the simulation has, and how many of these the device; unknown ones by id."""
    return {categories.get(category, str(category)): {"simulated": asked, "agreed": agreed}
            for category, (asked, agreed) in found.classes.items()}
