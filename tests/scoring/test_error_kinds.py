"""The six kinds of error: recognized where they were planted, and by a slow second program on random data."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np
import pytest

from quant_accuracy.data.annotations import Annotations
from quant_accuracy.detection.merge import Merged, Results, joined
from quant_accuracy.scoring import coco, error_kinds, matching
from quant_accuracy.scoring.error_kinds import KINDS, ErrorKinds
from tests.support.detections import random_detections, random_truth
from tests.support.oracle import of_pycocotools

# An object that a detection of its class finds; the others of an image lie beside it.
_FOUND = {"category_id": 1, "bbox": [200, 200, 40, 40]}
_FINDER = (200, 200, 40, 40, 0.95, 1)
# Mending undoes what was planted, up to `np.spacing(1)` in COCO's precision and rounding.
_ROUNDING = 1e-12


def _truth(things: Sequence[Mapping[str, Any]], images: int = 1) -> Annotations:
    full = [{"id": number, "image_id": 1, "iscrowd": 0, **thing} for number, thing in enumerate(things, 1)]
    document = {"images": [{"id": i, "width": 500, "height": 500} for i in range(1, images + 1)], "annotations": full,
                "categories": [{"id": i, "name": f"class {i}"} for i in (1, 2, 3, 4)]}
    return Annotations(Path("made.json"), document, {i["id"]: i for i in document["images"]},
                       {i["id"]: i["name"] for i in document["categories"]})


def _merged(rows: Sequence[Sequence[float]], images: int = 1) -> Merged:
    """Rows of image id, x, y, width, height, score, category id."""
    return Merged(np.arange(1, images + 1), Results.from_rows(rows))


def _kinds(**counts: int) -> Dict[str, int]:
    return {kind: counts.get(kind, 0) for kind in KINDS}


# A 40x40 object at 100, 100 of class 1; shifted by 20 the overlap is 1/3, by 36 it is 1/19.
@pytest.mark.parametrize(("rows", "wanted"), [
    ([(100, 100, 40, 40, 0.9, 1)], _kinds()),
    ([(100, 100, 40, 40, 0.9, 2)], _kinds(classification=1)),
    ([(120, 100, 40, 40, 0.9, 1)], _kinds(localisation=1)),
    ([(120, 100, 40, 40, 0.9, 2)], _kinds(both=1, missed=1)),
    ([(100, 100, 40, 40, 0.9, 1), (102, 100, 40, 40, 0.8, 1)], _kinds(duplicate=1)),
    ([(100, 100, 40, 40, 0.9, 1), (136, 100, 40, 40, 0.8, 1)], _kinds(background=1)),
    ([(136, 100, 40, 40, 0.8, 2)], _kinds(background=1, missed=1)),
    ([], _kinds(missed=1)),
    # The object is found already: errors near it are errors still, but no object is missed.
    ([(100, 100, 40, 40, 0.9, 1), (100, 100, 40, 40, 0.8, 2)], _kinds(classification=1)),
    ([(100, 100, 40, 40, 0.9, 1), (120, 100, 40, 40, 0.8, 1)], _kinds(localisation=1)),
    # Of a category that the annotations do not know: left out.
    ([(100, 100, 40, 40, 0.9, 1), (10, 10, 40, 40, 0.9, 99)], _kinds()),
])
def test_each_kind_is_recognized(rows: List[Tuple[float, ...]], wanted: Dict[str, int]) -> None:
    truth = _truth([_FOUND, {"category_id": 1, "bbox": [100, 100, 40, 40]}])

    found = error_kinds.analyse(_merged([(1, *row) for row in (_FINDER, *rows)]), truth)

    assert found.counts == wanted


def test_the_thresholds_belong_to_the_better_side() -> None:
    truth = _truth([{"category_id": 1, "bbox": [0, 0, 10, 10]}])

    def of(width: float, category: int) -> Mapping[str, int]:
        return error_kinds.analyse(_merged([(1, 0, 0, width, 10, 0.9, category)]), truth).counts

    assert of(5, 1) == _kinds()
    assert of(5, 2) == _kinds(classification=1)
    assert of(1, 1) == _kinds(localisation=1)
    assert of(1, 2) == _kinds(both=1, missed=1)
    assert of(0.99, 1) == _kinds(background=1, missed=1)
    twice = [(1, 0, 0, 10, 10, 0.9, 1), (1, 0, 0, 5, 10, 0.8, 1)]
    assert error_kinds.analyse(_merged(twice), truth).counts == _kinds(duplicate=1)


def test_where_several_kinds_apply_localisation_goes_before_classification_before_duplicate() -> None:
    truth = _truth([{"category_id": 1, "bbox": [100, 100, 40, 40]}, {"category_id": 2, "bbox": [120, 100, 40, 40]},
                    {"category_id": 1, "bbox": [300, 300, 40, 40]}, {"category_id": 2, "bbox": [300, 300, 40, 40]}])
    rows = [(1, 100, 100, 40, 40, 0.9, 1), (1, 300, 300, 40, 40, 0.9, 1)]

    # Right on the object of class 2, and by a third on that of class 1.
    near = error_kinds.analyse(_merged([*rows, (1, 120, 100, 40, 40, 0.8, 1)]), truth)
    twice = error_kinds.analyse(_merged([*rows, (1, 300, 300, 40, 40, 0.8, 1)]), truth)

    assert near.counts == _kinds(localisation=1, missed=2)
    assert twice.counts == _kinds(classification=1, missed=1)


def test_crowds_are_no_error_but_their_class_must_be_right() -> None:
    truth = _truth([_FOUND, {"category_id": 1, "bbox": [0, 0, 150, 150], "iscrowd": 1}])
    inside = (1, 10, 10, 30, 30, 0.8)

    right = error_kinds.analyse(_merged([(1, *_FINDER), (*inside, 1), (*inside, 1)]), truth)
    wrong = error_kinds.analyse(_merged([(1, *_FINDER), (*inside, 2)]), truth)
    beside = error_kinds.analyse(_merged([(1, *_FINDER), (1, 140, 10, 30, 30, 0.8, 1)]), truth)

    assert right.counts == _kinds()
    assert wrong.counts == _kinds(background=1)
    assert beside.counts == _kinds(background=1)


def test_detections_and_objects_outside_the_area_range_are_no_error() -> None:
    truth = _truth([_FOUND, {"category_id": 1, "bbox": [0, 0, 40, 40], "area": 2e10}])

    found = error_kinds.analyse(_merged([(1, *_FINDER), (1, 0, 0, 2e5, 2e5, 0.99, 2)]), truth)

    assert found.counts == _kinds()
    assert found.ap50 == pytest.approx(1.0)


def test_an_object_is_found_once_by_the_best_of_the_errors_that_are_mended() -> None:
    truth = _truth([{"category_id": 1, "bbox": [100, 100, 40, 40]}])
    rows = [(1, 120, 100, 40, 40, score, 1) for score in (0.3, 0.9, 0.6)]

    found = error_kinds.analyse(_merged(rows), truth)

    assert found.counts == _kinds(localisation=3)
    assert found.dap["localisation"] == pytest.approx(1.0)
    # Of two wrong classes; a false alarm of the right one lies between their scores.
    rows = [(1, 100, 100, 40, 40, 0.3, 2), (1, 100, 100, 40, 40, 0.9, 3), (1, 300, 300, 40, 40, 0.6, 1)]
    found = error_kinds.analyse(_merged(rows), truth)
    assert found.counts == _kinds(classification=2, background=1)
    assert found.dap["classification"] == pytest.approx(1.0)


def test_of_objects_that_overlap_equally_the_last_is_found_as_in_matching() -> None:
    truth = _truth([{"category_id": 1, "bbox": [100, 100, 40, 40]}, {"category_id": 1, "bbox": [110, 100, 40, 40]}])

    # The second one overlaps the first object only.
    found = error_kinds.analyse(_merged([(1, 105, 100, 40, 40, 0.9, 1), (1, 92, 100, 40, 40, 0.8, 1)]), truth)

    assert found.counts == _kinds()


def test_detections_beyond_the_best_100_of_an_image_and_a_category_are_left_out() -> None:
    truth = _truth([_FOUND, {"category_id": 2, "bbox": [100, 100, 40, 40]}])
    doubles = [(1, 200, 200, 40, 40, 0.9 - number / 1000, 1) for number in range(150)]

    found = error_kinds.analyse(_merged([*doubles, (1, *_FINDER), (1, 120, 100, 40, 40, 0.9, 2)]), truth)

    assert found.counts == _kinds(duplicate=99, localisation=1)


def test_equal_scores_stay_in_the_order_of_images_when_something_is_mended() -> None:
    truth = _truth([{"category_id": 1, "bbox": [100, 100, 40, 40]}], images=2)
    rows = [(1, 100, 100, 40, 40, 0.5, 1), (2, 100, 100, 40, 40, 0.5, 1), (1, 100, 100, 40, 40, 0.1, 1)]

    found = error_kinds.analyse(_merged(rows, images=2), truth)

    assert found.counts == _kinds(background=1, duplicate=1)
    assert found.dap == pytest.approx(dict.fromkeys(KINDS, 0.0), abs=_ROUNDING)


class _World(NamedTuple):
    """Objects far from each other, and the detections that find all of them."""

    truth: Annotations
    rows: np.ndarray
    free: np.ndarray
    images: int


def _world(seed: int = 0, images: int = 40) -> _World:
    """Each image has 25 cells of 100 pixels; two thirds of them hold an object of 40 to 60 pixels."""
    random = np.random.RandomState(seed)
    things, rows, free = [], [], []
    for image in range(1, images + 1):
        for cell in range(25):
            box = [cell % 5 * 100.0, cell // 5 * 100.0, *random.uniform(40, 60, 2)]
            if random.uniform() < 0.67:
                category = random.randint(1, 5)
                things.append({"image_id": image, "category_id": category, "bbox": box})
                rows.append([image, *box, random.uniform(), category])
            else:
                free.append([image, *box])
    return _World(_truth(things, images), np.array(rows), np.array(free), images)


def _chosen(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    return np.asarray(random.choice(len(world.rows), int(share * len(world.rows)), replace=False))


def _relabel(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The next class of the four."""
    rows = rows.copy()
    rows[chosen, 6] = rows[chosen, 6] % 4 + 1
    return rows


def _shift(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """By 0.6 of the width: the overlap is 0.4 / 1.6."""
    rows = rows.copy()
    rows[chosen, 1] += 0.6 * rows[chosen, 3]
    return rows


def _plant_labels(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    return _relabel(world.rows, _chosen(random, world, share))


def _plant_shifts(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    return _shift(world.rows, _chosen(random, world, share))


def _plant_doubles(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    doubles = world.rows[_chosen(random, world, share)]
    doubles[:, 1] += 2.0
    doubles[:, 5] *= 0.95
    return np.concatenate([world.rows, doubles])


def _plant_background(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    count = int(share * len(world.rows))
    boxes = world.free[random.choice(len(world.free), count, replace=False)]
    alarms = np.column_stack([boxes, random.uniform(size=count), random.randint(1, 5, count)])
    return np.concatenate([world.rows, alarms])


def _plant_losses(random: np.random.RandomState, world: _World, share: float) -> np.ndarray:
    return np.asarray(np.delete(world.rows, _chosen(random, world, share), axis=0))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize(("kind", "plant"), [("classification", _plant_labels), ("localisation", _plant_shifts),
                                             ("duplicate", _plant_doubles), ("background", _plant_background),
                                             ("missed", _plant_losses)])
def test_planted_errors_are_recognized_and_mending_them_restores_ap50(
        kind: str, plant: Callable[[np.random.RandomState, _World, float], np.ndarray], share: float) -> None:
    world = _world()
    assert error_kinds.analyse(_merged(world.rows, world.images), world.truth).ap50 == pytest.approx(1, abs=_ROUNDING)

    found = error_kinds.analyse(_merged(plant(np.random.RandomState(1), world, share), world.images), world.truth)

    assert found.counts == _kinds(**{kind: int(share * len(world.rows))})
    assert found.ap50 is not None
    assert found.ap50 < 1 - share / 10
    gained = found.dap[kind]
    assert gained is not None
    assert found.ap50 + gained == pytest.approx(1.0, abs=_ROUNDING)
    assert [found.dap[other] for other in KINDS if other != kind] == [0.0] * 5


def test_errors_of_class_and_place_cost_precision_and_the_object_is_missed_besides() -> None:
    world = _world()
    chosen = _chosen(np.random.RandomState(1), world, 0.2)

    found = error_kinds.analyse(_merged(_relabel(_shift(world.rows, chosen), chosen), world.images), world.truth)

    assert found.counts == _kinds(both=len(chosen), missed=len(chosen))
    without = coco.score(_merged(np.delete(world.rows, chosen, axis=0), world.images), world.truth)
    assert found.ap50 is not None
    assert found.dap["both"] is not None
    assert found.ap50 + found.dap["both"] == pytest.approx(without.figures["AP50"], abs=_ROUNDING)


def test_ap50_alone_is_that_of_all_figures() -> None:
    random = np.random.RandomState(0)
    truth = random_truth(random, images=30)
    merged = random_detections(random, truth, 0.7)

    assert coco.ap50(matching.match(merged, truth)) == coco.score(merged, truth).figures["AP50"]


def _overlap(box: Sequence[float], other: Sequence[float]) -> float:
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (box[2] * box[3] + other[2] * other[3] - common)


def _inside(box: Sequence[float], crowd: Sequence[float]) -> float:
    width = min(box[0] + box[2], crowd[0] + crowd[2]) - max(box[0], crowd[0])
    height = min(box[1] + box[3], crowd[1] + crowd[3]) - max(box[1], crowd[1])
    return max(width, 0.0) * max(height, 0.0) / (box[2] * box[3])


def _kind_of(own: float, other: float) -> str:
    if 0.1 <= own < 0.5:
        return "localisation"
    if other >= 0.5:
        return "classification"
    if own >= 0.5:
        return "duplicate"
    return "both" if other >= 0.1 else "background"


class _Slow(NamedTuple):
    """Kind by row of the detections, with the object that mending finds; ids of what is missed."""

    errors: Dict[int, Tuple[str, Any]]
    missed: List[int]


def _slowly(truth: Annotations, merged: Merged) -> _Slow:
    """One image, one detection, one object after the other."""
    errors: Dict[int, Tuple[str, Any]] = {}
    missed = []
    found = merged.results
    for image, things in truth.by_image().items():
        objects = [thing for thing in things if not thing["iscrowd"]]
        finder: Dict[int, int] = {}
        explained = set()
        rows = [row for row in np.argsort(-found.scores) if found.images[row] == image]
        rows = [row for row in rows if found.categories[row] in truth.categories]
        unmatched = []
        for row in rows:
            box, label = found.boxes[row], found.categories[row]
            open_to_it = [(_overlap(box, thing["bbox"]), place) for place, thing in enumerate(objects)
                          if thing["category_id"] == label and thing["id"] not in finder]
            best = max(open_to_it, default=(0.0, 0))
            crowds = [_inside(box, thing["bbox"]) for thing in things
                      if thing["iscrowd"] and thing["category_id"] == label]
            if best[0] >= 0.5:
                finder[objects[best[1]]["id"]] = row
            elif max(crowds, default=0.0) < 0.5:
                unmatched.append(row)
        for row in unmatched:
            box, label = found.boxes[row], found.categories[row]
            pairs = [(_overlap(box, thing["bbox"]), place, thing) for place, thing in enumerate(objects)]
            nothing: Tuple[float, int, Any] = (0.0, -1, {})
            own = max([nothing] + [pair for pair in pairs if pair[2]["category_id"] == label])
            other = max([nothing] + [pair for pair in pairs if pair[2]["category_id"] != label])
            kind = _kind_of(own[0], other[0])
            target = {"localisation": own[2], "classification": other[2]}.get(kind, {})
            explained.add(target.get("id"))
            errors[row] = (kind, None if target.get("id") in finder else target)
        missed += [thing["id"] for thing in objects if thing["id"] not in finder and thing["id"] not in explained]
    return _Slow(errors, missed)


def _mended_data(truth: Annotations, merged: Merged, slow: _Slow, kind: str) -> Tuple[Annotations, Merged]:
    """The data set itself without the errors of a kind, for another scorer."""
    errors, missed = slow
    if kind == "missed":
        things = [thing for thing in truth.document["annotations"] if thing["id"] not in missed]
        return truth._replace(document={**truth.document, "annotations": things}), merged
    results = merged.results.take(np.arange(len(merged.results)))
    dropped = []
    served = set()
    for row in sorted((row for row in errors if errors[row][0] == kind), key=lambda row: -results.scores[row]):
        target = errors[row][1]
        if not target or target["id"] in served:
            dropped.append(row)
            continue
        served.add(target["id"])
        results.boxes[row], results.categories[row] = target["bbox"], target["category_id"]
    return truth, Merged(merged.image_ids, results.take(np.delete(np.arange(len(results)), dropped)))


def _random_case(seed: int) -> Tuple[Annotations, Merged]:
    """Shaken boxes, doubled with other shakes and with other classes, so that every kind is there."""
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=25)
    first, second = (random_detections(random, truth, share).results for share in (0.7, 0.5))
    second.boxes[:, :2] += random.normal(0, 12, [len(second), 2])
    changed = random.uniform(size=len(second)) < 0.4
    second.categories[changed] = random.choice([1, 3, 7, 9], changed.sum())
    return truth, Merged(np.array(sorted(truth.images)), joined([first, second]))


@pytest.mark.parametrize("seed", range(8))
def test_counts_equal_those_of_a_slow_program(seed: int) -> None:
    truth, merged = _random_case(seed)

    found = error_kinds.analyse(merged, truth)

    errors, missed = _slowly(truth, merged)
    kinds = [kind for kind, _ in errors.values()] + ["missed"] * len(missed)
    assert found.counts == {kind: kinds.count(kind) for kind in KINDS}
    assert min(found.counts.values()) > 0


@pytest.mark.parametrize("seed", range(3))
def test_gains_equal_pycocotools_on_data_without_the_errors(seed: int) -> None:
    truth, merged = _random_case(seed)

    found = error_kinds.analyse(merged, truth)

    before = of_pycocotools(truth, merged).stats[1]
    slow = _slowly(truth, merged)
    wanted = {kind: of_pycocotools(*_mended_data(truth, merged, slow, kind)).stats[1] - before for kind in KINDS}
    assert found.ap50 == pytest.approx(before, abs=_ROUNDING)
    assert found.dap == pytest.approx(wanted, abs=_ROUNDING)


def _shuffled(random: np.random.RandomState, truth: Annotations, merged: Merged) -> Tuple[Annotations, Merged]:
    """Detections in another order, images under other ids."""
    ids = sorted(truth.images)
    other = dict(zip(ids, random.permutation(ids).tolist()))
    things = [{**thing, "image_id": other[thing["image_id"]]} for thing in truth.document["annotations"]]
    results = merged.results.take(random.permutation(len(merged.results)))
    results.images[:] = [other[image] for image in results.images.tolist()]
    return truth._replace(document={**truth.document, "annotations": things}), Merged(merged.image_ids, results)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_detections_and_images_does_not_matter(seed: int) -> None:
    truth, merged = _random_case(seed)

    assert error_kinds.analyse(*_shuffled(np.random.RandomState(seed), truth, merged)[::-1]) == \
        error_kinds.analyse(merged, truth)


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, merged = _random_case(0)
    whole = error_kinds.analyse(merged, truth, matching.match(merged, truth))

    monkeypatch.setattr(error_kinds, "_CHUNK", 7)

    assert error_kinds.analyse(merged, truth) == whole


def test_without_detections_everything_is_missed_and_nothing_is_left_to_judge_by() -> None:
    truth = _truth([_FOUND, {"category_id": 2, "bbox": [0, 0, 40, 40]}])

    found = error_kinds.analyse(_merged([]), truth)

    assert found == ErrorKinds(0.0, _kinds(missed=2), {**dict.fromkeys(KINDS, 0.0), "missed": None})


def test_without_ground_truth_every_detection_is_background_and_there_is_no_ap() -> None:
    found = error_kinds.analyse(_merged([(1, *_FINDER)]), _truth([]))

    assert found == ErrorKinds(None, _kinds(background=1), dict.fromkeys(KINDS))


def test_neither_detections_nor_ground_truth() -> None:
    assert error_kinds.analyse(_merged([], images=0), _truth([])) == \
        ErrorKinds(None, _kinds(), dict.fromkeys(KINDS))


def test_the_difference_of_two_variants_is_what_the_second_has_more() -> None:
    world = _world(images=5)
    before = error_kinds.analyse(_merged(world.rows, world.images), world.truth)
    after = error_kinds.analyse(
        _merged(_plant_shifts(np.random.RandomState(0), world, 0.2), world.images), world.truth)

    found = error_kinds.difference(before, after)

    assert found.counts == after.counts
    assert found.dap["localisation"] == after.dap["localisation"]
    assert found.ap50 is not None
    assert found.ap50 < 0
    assert error_kinds.difference(before, error_kinds.analyse(_merged([]), _truth([]))).dap["both"] is None


def test_errors_are_counted_by_class_from_a_score_on() -> None:
    truth = _truth([_FOUND, {"category_id": 1, "bbox": [100, 100, 40, 40]},
                    {"category_id": 3, "bbox": [300, 100, 9, 9]}])
    merged = _merged([(1, *row) for row in (_FINDER, (100, 100, 40, 40, 0.9, 2), (10, 10, 40, 40, 0.29, 4))])
    counts = error_kinds.by_class(merged, truth, 0.3)

    assert [dict(zip(KINDS, row)) for row in counts.tolist()] == [
        _kinds(), _kinds(classification=1), _kinds(missed=1), _kinds()]


@pytest.mark.parametrize("seed", range(3))
def test_errors_of_all_classes_together_are_those_of_the_variant(seed: int) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, images=9)
    merged = random_detections(random, truth, 0.7)

    counts = error_kinds.by_class(merged, truth, 0.0)

    assert dict(zip(KINDS, counts.sum(axis=0).tolist())) == error_kinds.analyse(merged, truth).counts
