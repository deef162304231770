"""A data set against a model card: whether records, annotations and calibration images fit together."""

from collections import Counter
from pathlib import Path
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from quant_accuracy.artifacts.calibration import calibration_shards
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.data import annotations as annotation_files
from quant_accuracy.data import images
from quant_accuracy.data import shards as shard_files
from quant_accuracy.data.annotations import Annotations
from quant_accuracy.data.images import Marks
from quant_accuracy.data.shards import Shard
from quant_accuracy.settings.card import ModelCard

_SHOWN = 5


class Found(NamedTuple):
    """What is known of a data set.

    Attributes:
        faults: What will stop a run, or turn the check on images red.
        notes: What may be meant.
        summary: What was looked at; empty where nothing can be read.
    """

    faults: Sequence[str]
    notes: Sequence[str] = ()
    summary: str = ""


def check(card: ModelCard, folder: Optional[Path], pattern: Optional[str], annotations: Optional[Path]) -> Found:
    """Hold shards and annotations against a model card and against each other, as far as they are given."""
    faults: List[str] = []
    notes: List[str] = []
    truth = None if annotations is None else _annotations(annotations, faults)
    seen = [] if truth is None else [f"{annotations}: {len(truth.images)} images, {len(truth.categories)} categories"]
    if folder is not None and pattern is not None:
        marks = _records(card, folder, pattern, faults, notes)
        if marks is not None:
            seen.append(f"{folder / pattern}: {len(marks.ids)} records")
            if truth is not None:
                _compare(marks, truth, faults, notes)
                _missing(card, folder, pattern, marks, truth, faults)
    elif folder is not None and not folder.is_dir():
        faults.append(f"{folder}: no such folder; correct dataset_dir")
    return Found(faults, notes, "; ".join(seen))


def _annotations(path: Path, faults: List[str]) -> Optional[Annotations]:
    try:
        return annotation_files.load(path)
    except QuantAccuracyError as error:
        faults.append(str(error))
        return None


def _records(card: ModelCard, folder: Path, pattern: str, faults: List[str], notes: List[str]) -> Optional[Marks]:
    """What the records of all shards say of themselves, damaged shards left out; None where there is no shard."""
    try:
        shards = shard_files.find_shards(folder, pattern)
        every = shards if card.part_of_annotations else shard_files.whole_set(folder, pattern, shards)
    except QuantAccuracyError as error:
        faults.append(str(error))
        return None
    size = shards[0].set_size
    if size is not None and len(shards) < size and not card.part_of_annotations:
        notes.append(f"{folder / pattern}: takes {len(shards)} of the {size} shards of the data set: gates will be "
                     "judged by intervals")
    try:
        calibration_shards(every, card.calibration_images)
    except QuantAccuracyError as error:
        faults.append(str(error))
    return _marks(shards, faults)


def _marks(shards: Iterable[Shard], faults: List[str]) -> Marks:
    ids: List[int] = []
    labels: Dict[int, int] = {}
    for shard in shards:
        try:
            found = images.read_marks(shard)
        except QuantAccuracyError as error:
            faults.append(str(error))
            continue
        ids += found.ids
        for label, count in found.labels.items():
            labels[label] = labels.get(label, 0) + count
    return Marks(ids, labels)


def _compare(marks: Marks, truth: Annotations, faults: List[str], notes: List[str]) -> None:
    unknown = sorted({image for image in marks.ids if image not in truth.images})
    if unknown:
        faults.append(f"{truth.path}: lacks {_count(len(unknown), 'image')} of the records ({_some(unknown)}); name "
                      "the annotations of these TFRecords")
    twice = sorted(image for image, count in Counter(marks.ids).items() if count > 1)
    if twice:
        faults.append(f"{_count(len(twice), 'image')} of the records stand there more than once ({_some(twice)}); "
                      "make the TFRecords again, or correct the pattern")
    others = sorted(label for label in marks.labels if label not in truth.categories)
    if others and len(others) == len(marks.labels):
        faults.append(f"{truth.path}: has none of the categories that the records name ({_some(others)}); annotations "
                      "and records number them differently: give both the same ids")
    elif others:
        notes.append(f"{truth.path}: lacks {len(others)} of the {len(marks.labels)} categories that the records name "
                     f"({_some(others)}): their detections will be left out")


def _missing(card: ModelCard, folder: Path, pattern: str, marks: Marks, truth: Annotations, faults: List[str]) -> None:
    """Of a whole data set every annotated image should be in a record, unless the card says that some are not."""
    shards = shard_files.find_shards(folder, pattern)
    if card.part_of_annotations or not shard_files.is_whole(shards) or sum(s.total for s in shards) != len(marks.ids):
        return
    left = sorted(set(truth.images) - set(marks.ids))
    if left:
        faults.append(f"{folder / pattern}: lacks {_count(len(left), 'image')} of the annotations ({_some(left)}), and "
                      "the check images_once will fail; complete the TFRecords, or say data: {part_of_annotations: "
                      "true} in the model card where that is on purpose")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
