"""Which detections two variants share, against loops that know nothing of numpy."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import pytest

from quant_accuracy.detection.merge import Merged, Results
from quant_accuracy.scoring import agreement
from quant_accuracy.scoring.agreement import GONE, LOWER_SCORE, OTHER_CLASS, OTHER_PLACE, REASONS, Rule
from tests.support import devices
from tests.support.detections import random_detections, random_truth

_RULE = Rule(0.3, 0.5)
_BOX = (10.0, 10.0, 40.0, 40.0)


def _merged(*rows: Sequence[float], images: int = 2) -> Merged:
    return Merged(np.arange(1, images + 1), Results.from_rows([(int(row[0]), *row[1:6], int(row[6])) for row in rows]))


def _row(score: float, box: Sequence[float] = _BOX, image: int = 1, category: int = 3) -> Tuple[float, ...]:
    return (image, *box, score, category)


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    sides = [max(0.0, min(one[axis] + one[axis + 2], other[axis] + other[axis + 2]) - max(one[axis], other[axis]))
             for axis in (0, 1)]
    common = sides[0] * sides[1]
    return common / (one[2] * one[3] + other[2] * other[3] - common) if common else 0.0


def _oracle(one: Merged, other: Merged, rule: Rule) -> Dict[str, Any]:
    """The same, detection by detection."""
    mine, theirs = (sorted(side.as_coco(), key=lambda found: -found["score"]) for side in (one, other))
    taken: List[int] = []
    asked, agreed = dict.fromkeys(one.image_ids.tolist(), 0), dict.fromkeys(one.image_ids.tolist(), 0)
    reasons, ious, differences = dict.fromkeys(REASONS, 0), [], []
    for found in mine:
        if found["score"] < rule.score:
            continue
        asked[found["image_id"]] += 1
        best: Optional[int] = None
        seen = set()
        for place, candidate in enumerate(theirs):
            if candidate["image_id"] != found["image_id"]:
                continue
            overlap, same = _iou(found["bbox"], candidate["bbox"]), candidate["category_id"] == found["category_id"]
            heard = candidate["score"] >= rule.score / 2
            if same and heard and overlap >= rule.iou and place not in taken and (
                    best is None or overlap > _iou(found["bbox"], theirs[best]["bbox"])):
                best = place
            if same and not heard and overlap >= rule.iou:
                seen.add(LOWER_SCORE)
            if not same and heard and overlap >= rule.iou:
                seen.add(OTHER_CLASS)
            if same and heard and overlap >= 0.1:
                seen.add(OTHER_PLACE)
        if best is None:
            reasons[next((reason for reason in REASONS if reason in seen), GONE)] += 1
            continue
        taken.append(best)
        agreed[found["image_id"]] += 1
        ious.append(_iou(found["bbox"], theirs[best]["bbox"]))
        differences.append(theirs[best]["score"] - found["score"])
    return {"asked": list(asked.values()), "agreed": list(agreed.values()), "reasons": reasons,
            "ious": sorted(ious), "differences": sorted(differences)}


@pytest.mark.parametrize("rule", [_RULE, Rule(0.05, 0.5), Rule(0.6, 0.8)])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_plain_loops_find(seed: int, rule: Rule) -> None:
    random = np.random.RandomState(seed)
    truth = random_truth(random, 12)
    one, other = (random_detections(random, truth, 0.8) for _ in range(2))

    for first, second in ((one, other), (one, devices.perturbed(one, lost=0.2, shift=0.1))):
        found, wanted = agreement.measure(first, second, rule), _oracle(first, second, rule)

        assert found.asked.tolist() == wanted["asked"]
        assert found.agreed.tolist() == wanted["agreed"]
        assert found.reasons == wanted["reasons"]
        assert sorted(found.ious) == pytest.approx(wanted["ious"])
        assert sorted(found.score_differences) == pytest.approx(wanted["differences"])
        assert sum(found.reasons.values()) == found.asked.sum() - found.agreed.sum()


def test_a_variant_agrees_with_itself() -> None:
    random = np.random.RandomState(7)
    merged = random_detections(random, random_truth(random, 20), 0.9)
    found = agreement.measure(merged, merged, _RULE)

    assert found.share == 1.0
    assert found.ious == pytest.approx(1.0)
    assert not found.score_differences.any()


@pytest.mark.parametrize(("other", "reason"), [
    (_row(0.14), LOWER_SCORE),
    (_row(0.9, category=4), OTHER_CLASS),
    (_row(0.9, (35, 10, 40, 40)), OTHER_PLACE),
    (_row(0.9, (200, 200, 40, 40)), GONE),
    (_row(0.9, image=2), GONE),
])
def test_what_became_of_a_detection_is_told(other: Sequence[float], reason: str) -> None:
    found = agreement.measure(_merged(_row(0.9)), _merged(other), _RULE)

    assert found.share == 0.0
    assert found.reasons == {**dict.fromkeys(REASONS, 0), reason: 1}


def test_a_detection_is_taken_once_by_the_best_score() -> None:
    twice = _merged(_row(0.5), _row(0.9, (12, 10, 40, 40)))
    found = agreement.measure(twice, _merged(_row(0.8)), _RULE)

    assert found.asked.tolist() == [2, 0]
    assert found.agreed.tolist() == [1, 0]
    assert found.score_differences.tolist() == pytest.approx([-0.1])
    assert found.reasons[OTHER_PLACE] == 1


def test_a_score_just_below_the_limit_is_not_gone() -> None:
    assert agreement.measure(_merged(_row(0.3)), _merged(_row(0.29)), _RULE).share == 1.0


def test_images_without_detections_count_as_nothing_asked() -> None:
    found = agreement.measure(_merged(images=3), _merged(_row(0.9), images=3), _RULE)

    assert found.share is None
    assert found.asked.tolist() == found.agreed.tolist() == [0, 0, 0]


def test_classes_add_up_to_the_whole() -> None:
    random = np.random.RandomState(3)
    one = random_detections(random, random_truth(random, 15), 0.9)
    found = agreement.measure(one, devices.perturbed(one, lost=0.3), _RULE)

    assert [sum(column) for column in zip(*found.classes.values())] == [found.asked.sum(), found.agreed.sum()]
    assert 0.5 < (found.share or 0.0) < 0.9
