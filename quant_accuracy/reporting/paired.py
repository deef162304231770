"""Whether other images would say the same of two reported runs: paired intervals from the detections that they left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import DEVICE, QUANTIZED, VARIANTS
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.judging import jitter
from quant_accuracy.reporting.document import read_report
from quant_accuracy.reporting.document.read_report import AGAIN, ReportedRun
from quant_accuracy.scoring import attribution, bootstrap, coco, matching, paired_runs
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.paired_runs import ClassAps
from quant_accuracy.scoring.partial import ClassImages

# Scoring and bootstrap sum in another order.
_SAME_MAP = 1e-6
# Sums in another order are the same AP.
_SAME_AP = 1e-9
# Figures of a device, beside those of `jitter`.
DEVICE_MAP, DEVICE_DROP = "device mAP", "device mAP drop"


class ImageChange(NamedTuple):
    """An image whose quantized AP, of this image alone, is not the same in both runs."""

    image_id: int
    file_name: str
    before: float
    after: float


@dataclass(frozen=True)
class Paired:
    """Where the differences of both runs lie, had other images been evaluated.

    Attributes:
        intervals: 95 % intervals by `jitter` figure, and by those of a device that both have; empty where they are not
            known.
        images: Number of images that they come from.
        note: Why there are none, or what limits them; else empty.
        changed: The images that are detected otherwise, the largest change first.
    """

    intervals: Mapping[str, Interval]
    images: int
    note: str
    changed: Sequence[ImageChange] = ()


class _Scored(NamedTuple):
    """A variant of a run: the APs of its classes, and that of each image alone, float64 [images]."""

    classes: ClassAps
    images: np.ndarray


def measure(before: ReportedRun, after: ReportedRun, given: Optional[Path]) -> Paired:
    """The intervals, where everything that they need is there.

    Args:
        before: The first run.
        after: The second run.
        given: The annotation file that both were scored with; None takes the one that the reports name.

    Raises:
        ConfigurationError: A file is missing or damaged, or is not what the reports say.
        DataError: The annotation file is missing or damaged.
    """
    lacking = [run.detections(variant) for run in (before, after) for variant in _compared(before, after)
               if not run.detections(variant).exists()]
    if lacking:
        return Paired({}, 0, f"{lacking[0]} is missing; {AGAIN}")
    if before.data().get("annotations") != after.data().get("annotations"):
        return Paired({}, 0, "the runs were scored with different annotations; run both reports with the same")
    truth = _annotations(before, after, given)
    if truth is None:
        return Paired({}, 0, "the annotations are not known; name them with --annotation-json-file")
    return _intervals(before, after, truth)


def _compared(before: ReportedRun, after: ReportedRun) -> Sequence[str]:
    """The variants that both runs have on all evaluated images."""
    devices = [run.device for run in (before, after)]
    return (*VARIANTS, DEVICE) if all(device is not None and not device.missing for device in devices) else VARIANTS


def _annotations(before: ReportedRun, after: ReportedRun, given: Optional[Path]) -> Optional[Annotations]:
    """What both runs were scored with: the given file, else one that a report names and that says the same still."""
    digest = str(before.data().get("annotations"))
    if given is None:
        named = [run.annotations for run in (before, after) if run.annotations is not None]
        return annotation_files.find([path for path in named if path.is_file()], digest)
    truth = annotation_files.find([given], digest)
    if truth is None:
        raise ConfigurationError(f"{given}: is not the annotation file that the runs were scored with; "
                                 "name that one with --annotation-json-file")
    return truth


def _intervals(before: ReportedRun, after: ReportedRun, truth: Annotations) -> Paired:
    tables = [{variant: read_report.detections_of(run, variant) for variant in _compared(before, after)}
              for run in (before, after)]
    detected = {image for side in tables for table in side.values() for image in np.unique(table.images).tolist()}
    image_ids, unnamed = paired_runs.evaluated_images(before.images, detected, truth)
    if not len(image_ids):
        return Paired({}, 0, "no image has detections")
    weights = bootstrap.draw(len(image_ids))
    old = _score(before, tables[0], image_ids, truth, weights, not unnamed)
    # What did not change has no other mAP: most changes leave the float variant as it was.
    changed = {variant: table for variant, table in tables[1].items()
               if before.metrics[variant] != after.metrics[variant] or not table.equals(tables[0][variant])}
    new = {**old, **_score(after, changed, image_ids, truth, weights, not unnamed)}
    evaluated = np.asarray(old[VARIANTS[0]].classes.images)
    shown = ClassImages(evaluated, evaluated if before.images == len(truth.images)
                        else matching.class_images(truth)[:, coco.ALL.area])
    was, now = ({variant: scored.classes for variant, scored in side.items()} for side in (old, new))
    measured = dict(zip(jitter.FIGURES, paired_runs.intervals(was, now, shown)))
    if DEVICE in old:
        measured.update(zip((DEVICE_MAP, DEVICE_DROP), paired_runs.of_device(was, now, shown)))
    honest = {name: interval for name, interval in measured.items() if interval is not None}
    return Paired(honest, len(image_ids), _limits(before.images, unnamed, shown, bool(honest)),
                  _changed(image_ids, old[QUANTIZED].images, new[QUANTIZED].images, truth))


def _changed(image_ids: np.ndarray, before: np.ndarray, after: np.ndarray, truth: Annotations) -> List[ImageChange]:
    """The images whose AP changed, the largest change first; without ground truth an image has none."""
    changes = np.nan_to_num(after - before)
    order = np.lexsort((image_ids, -np.round(np.abs(changes), 9)))
    return [ImageChange(int(image_ids[place]), str(truth.images[int(image_ids[place])].get("file_name", "")),
                        float(before[place]), float(after[place]))
            for place in order if abs(changes[place]) > _SAME_AP]


def _limits(images: int, unnamed: int, shown: ClassImages, honest: bool) -> str:
    if not shown.evaluated.any():
        return "the evaluated images have no ground truth"
    if not honest:
        return (f"no interval is honest: {shown.absent} of {shown.classes} classes have no ground truth in the "
                "evaluated images")
    return (f"{unnamed} of {images} images have no detections in either run, and the reports do not say which they "
            "are: the intervals leave them out") if unnamed else ""


def _score(run: ReportedRun, tables: Mapping[str, Results], image_ids: np.ndarray, truth: Annotations,
           weights: np.ndarray, exact: bool) -> Dict[str, _Scored]:
    """The APs by variant; where all images are known, the report must have the mAP of all."""
    scored = {}
    for variant, table in tables.items():
        matches = matching.match(Merged(image_ids, table), truth)
        scored[variant] = _Scored(paired_runs.class_aps(matches, weights), attribution.image_aps(matches))
        reported, measured = run.metrics[variant].figures["mAP"], scored[variant].classes.mean()
        if exact and reported is not None and not abs(measured - reported) < _SAME_MAP:
            raise ConfigurationError(f"{run.detections(variant)}: these detections have mAP {measured:.6f}, but "
                                     f"{run.path} says {reported:.6f}; {AGAIN}")
    return scored
