"""Whether annotations and detections number categories alike: what tells a shift from a subset of the classes."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import matching, numbering
from quant_accuracy.scoring.numbering import Numbering

# COCO's ids have gaps.
_IDS = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
_IMAGES = 120


def _drawn(seed: int, images: int = _IMAGES) -> Tuple[Annotations, Results]:
    """Images of 80 classes with COCO-like shares, and what a fair detector makes of them.

    Of the objects it finds 70 %, 20 % of them under a class of its own choice; it raises false alarms too, some of ids
    that no category has.
    """
    random = np.random.RandomState(seed)
    share = 1.0 / np.arange(1, 81)
    things: List[Dict[str, Any]] = []
    rows = []
    for image in range(1, images + 1):
        for _ in range(random.poisson(7)):
            box = np.concatenate([random.uniform(0, 500, 2), random.uniform(30, 120, 2)])
            category = int(random.choice(_IDS, p=share / share.sum()))
            things.append({"id": len(things), "image_id": image, "category_id": category, "bbox": box.tolist()})
            if random.uniform() < 0.7:
                label = int(random.choice(_IDS)) if random.uniform() < 0.2 else category
                shaken = box + random.normal(0, 3, 4)
                rows.append([image, *shaken, random.uniform(0.3, 1), label])
                rows.append([image, *shaken, random.uniform(0, 0.3), int(random.choice(_IDS))])
        for _ in range(20):
            rows.append([image, *random.uniform(0, 500, 2), *random.uniform(30, 120, 2), random.uniform(0, 0.3),
                         int(random.choice([*_IDS, 12, 26, 83]))])
    document = {"annotations": things}
    return Annotations(Path("drawn.json"), document, {image: {"id": image} for image in range(1, images + 1)},
                       {number: f"class {number}" for number in _IDS}), Results.from_rows(rows)


def _compared(truth: Annotations, results: Results) -> Numbering:
    return numbering.compare(Merged(np.array(sorted(truth.images)), results), truth)


def _renumbered(truth: Annotations, numbers: Dict[int, int]) -> Annotations:
    things = [{**thing, "category_id": numbers[thing["category_id"]]} for thing in truth.document["annotations"]
              if thing["category_id"] in numbers]
    return truth._replace(document={"annotations": things},
                          categories={numbers[key]: name for key, name in truth.categories.items() if key in numbers})


def _shuffled() -> Dict[int, int]:
    return dict(zip(_IDS, np.random.RandomState(9).permutation(_IDS).tolist()))


@pytest.mark.parametrize("numbers", [
    {key: place for place, key in enumerate(_IDS)}, {key: place for place, key in enumerate(_IDS, start=1)},
    {key: key + 1 for key in _IDS}, {key: key - 1 for key in _IDS},
    {key: 10 ** 17 + key for key in _IDS}, _shuffled(),
], ids=["from 0 without gaps", "from 1 without gaps", "+1", "-1", "far away", "in another order"])
def test_categories_that_are_numbered_otherwise_are_told(numbers: Dict[int, int]) -> None:
    truth, results = _drawn(seed=1)
    other = _renumbered(truth, numbers)

    found = _compared(other, results)

    assert found.differs()
    right = [item for item in found.renamed if numbers[item.detected] == item.category]
    assert len(right) >= 0.95 * len(found.renamed)


def test_a_shift_is_named_with_its_size() -> None:
    truth, results = _drawn(seed=1)
    other = _renumbered(truth, {key: key - 1 for key in _IDS})

    found = _compared(other, results)

    assert f"{len(found.renamed)} of {found.judged} categories under another one, " in found.line(other)
    assert "of them shifted by +1: 0 ('class 1') as 1, 1 ('class 2') as 2, " in found.line(other)


def test_a_pair_of_swapped_categories_is_named_and_no_reason_to_measure_nothing() -> None:
    truth, results = _drawn(seed=1)
    one, two = sorted(item.category for item in _compared(_renumbered(truth, {key: key - 1 for key in _IDS}),
                                                          results).renamed[:2])
    one, two = one + 1, two + 1

    found = _compared(_renumbered(truth, {**{key: key for key in _IDS}, one: two, two: one}), results)

    assert found.swapped() == [(one, two)]
    assert not found.differs()
    assert _compared(truth, results).swapped() == []


def test_renumbering_as_the_message_says_is_a_remedy() -> None:
    truth, results = _drawn(seed=1)
    other = _renumbered(truth, {key: place for place, key in enumerate(_IDS)})
    told = {item.category: item.detected for item in _compared(other, results).renamed}

    mended = _renumbered(other, {category: told.get(category, 1000 + category) for category in other.categories})

    assert not _compared(mended, results).differs()


@pytest.mark.parametrize("seed", range(5))
def test_the_same_numbers_are_never_told_apart_on_any_part_of_the_data(seed: int) -> None:
    truth, results = _drawn(seed)
    random = np.random.RandomState(seed)
    for count in (1, 2, 5, 10, 30, _IMAGES):
        for _ in range(20):
            images = np.sort(random.choice(np.arange(1, _IMAGES + 1), count, replace=False))
            part = numbering.compare(Merged(images, results.take(np.isin(results.images, images))), truth)
            assert not part.differs()


@pytest.mark.parametrize("seed", range(5))
def test_annotations_of_some_of_the_classes_are_fine(seed: int) -> None:
    truth, results = _drawn(seed)
    random = np.random.RandomState(seed)
    for count in (1, 2, 3, 5, 20):
        for _ in range(20):
            kept = random.choice(_IDS, count, replace=False).tolist()
            assert not _compared(_renumbered(truth, {key: key for key in kept}), results).differs()


@pytest.mark.parametrize("labels", [
    lambda random, labels: random.choice(_IDS, len(labels)),
    lambda random, labels: np.ones_like(labels),
    lambda random, labels: np.where(random.uniform(size=len(labels)) < 0.8, random.choice(_IDS, len(labels)), labels),
], ids=["any class", "one class", "mostly any class"])
def test_a_detector_that_cannot_tell_classes_is_not_taken_for_another_numbering(
        labels: Callable[[np.random.RandomState, np.ndarray], np.ndarray]) -> None:
    for seed in range(3):
        truth, results = _drawn(seed)
        random = np.random.RandomState(seed)
        blind = Results(results.images, results.boxes, results.scores, labels(random, results.categories))
        for count in (5, 20, _IMAGES):
            images = np.arange(1, count + 1)
            merged = Merged(images, blind.take(blind.images <= count))
            assert not numbering.compare(merged, truth).differs()


def test_a_detector_that_finds_nothing_says_nothing() -> None:
    truth, results = _drawn(seed=1)
    elsewhere = Results(results.images, results.boxes + 5000.0, results.scores, results.categories)

    assert _compared(truth, Results.from_rows([])) == Numbering(0, 0, 0, [])
    assert _compared(truth, elsewhere) == Numbering(0, 0, 0, [])


def _slowly(truth: Annotations, rows: Sequence[Sequence[float]]) -> List[Tuple[int, int]]:
    """For each object that is found its category and that of the best of 20 detections at its place."""
    found = []
    for image, things in truth.by_image().items():
        best = sorted((row for row in rows if row[0] == image), key=lambda row: -row[5])[:20]
        for thing in things:
            here = [row for row in best if matching.iou(np.array(row[1:5]), np.array(thing["bbox"]),
                                                        np.array(False)) >= 0.5]
            if here:
                found.append((thing["category_id"], int(here[0][6])))
    return found


def test_what_is_found_equals_a_slow_program() -> None:
    truth, results = _drawn(seed=3, images=15)
    rows = [[image, *box, score, label] for image, box, score, label in zip(
        results.images.tolist(), results.boxes.tolist(), results.scores.tolist(), results.categories.tolist())]

    found = _compared(truth, results)

    pairs = _slowly(truth, rows)
    assert found.found == len(pairs) > 50
    assert found.agreeing == sum(one == other for one, other in pairs)
    assert found.judged == sum(count > 1 for count in np.unique([one for one, _ in pairs], return_counts=True)[1])


def test_detections_of_ids_that_annotations_lack_are_counted() -> None:
    truth, results = _drawn(seed=1)

    found = numbering.unknown_categories(results, truth)

    labels = results.categories.tolist()
    assert found == {number: labels.count(number) for number in (12, 26, 83)}
    assert numbering.unknown_line({12: 3, 83: 4}, 100) == (
        "7 of 100 detections have a category id that the annotations lack (83, 12), and do not count; expected if "
        "the annotations cover only part of the model's classes")
