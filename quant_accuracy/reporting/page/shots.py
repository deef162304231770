"""Images of a report with what the variants detected: what is drawn over each picture, and the list beside it.

An item is an object with the detections that took it, or detections of several variants that took none and are of one
class and one place. The page's script shows and hides items as `change` here has it; both begin with the same score.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from quant_accuracy.base.words import DEVICE, FLOAT, QUANTIZED
from quant_accuracy.reporting.gate_table import NOTHING, number
from quant_accuracy.reporting.page import evidence
from quant_accuracy.scoring import matching

# What becomes of an item from one variant to the other.
LOST, GAINED, MOVED, IOU, SCORE, SAME, MISSED = CHANGES = ("lost", "gained", "moved", "IoU", "score", "same", "missed")
# Of less overlap with where it was a detection has moved; of less difference its score is the same.
MOVED_IOU, SCORE_CHANGE = 0.8, 0.05
_SAME_PLACE = 0.5
Found = Mapping[str, Any]


class Mark(NamedTuple):
    """A box over the picture: whose it is, its style, and its place in pixels of the image."""

    variant: str
    style: str
    score: float
    left: float
    top: float
    width: float
    height: float


class Item(NamedTuple):
    """Something on an image.

    Attributes:
        number: From 1, by which list and picture name it.
        name: Its class.
        marks: Its boxes, ground truth first.
        scores: Score by variant, empty where a variant does not have it.
        moved: How its place differs between the two variants that are compared: `MOVED`, `IOU` or empty.
        change: What became of it, from the first score on.
        seen: Whether it is shown at first.
        told_scores: The scores in words.
        told_ious: The overlaps with the object in words.
    """

    number: int
    name: str
    marks: Sequence[Mark]
    scores: Mapping[str, str]
    moved: str
    change: str
    seen: bool
    told_scores: str
    told_ious: str


def view(images: Sequence[Mapping[str, Any]], section: str) -> List[Dict[str, Any]]:
    """What the templates show of a section's images."""
    compared = (QUANTIZED, DEVICE) if section == "device-images" else (FLOAT, QUANTIZED)
    return [{"anchor": evidence.image_anchor(item["image_id"], section), "id": str(item["image_id"]),
             "file_name": item["file_name"], "before": number(item[FLOAT]), "after": number(item[QUANTIZED]),
             "picture": item["picture"], "device": "" if item[DEVICE] is None else number(item[DEVICE]),
             "width": item["width"], "height": item["height"], "score": item["score"],
             "items": items(item, *compared)} for item in images]


def classes(images: Sequence[Mapping[str, Any]]) -> List[str]:
    """The classes of the items on these images."""
    return sorted({item.name for image in images for item in image["items"]})


def items(image: Mapping[str, Any], first: str, second: str) -> List[Item]:
    """The items on an image: what changed from the first variant to the second comes first."""
    grouped: List[Dict[str, Any]] = [{"truth": thing, "name": thing["name"]} for thing in image["objects"]]
    others: List[Dict[str, Any]] = []
    for variant, found in image["detections"].items():
        for item in found:
            _group(grouped, others, item, variant)[variant] = item
    made = [_item(item, image, first, second) for item in [*grouped, *others]]
    made.sort(key=lambda item: (not item.seen, CHANGES.index(item.change)))
    return [item._replace(number=place) for place, item in enumerate(made, start=1)]


def change(before: Optional[float], after: Optional[float], moved: str, score: float) -> str:
    """What became of an item from one variant to the other, by its scores: below `score` it is not there."""
    was, now = before is not None and before >= score, after is not None and after >= score
    if not was or not now:
        return LOST if was else GAINED if now else MISSED
    if moved:
        return moved
    assert before is not None
    assert after is not None
    return SCORE if round(abs(after - before), 4) >= SCORE_CHANGE else SAME


def _group(grouped: List[Dict[str, Any]], others: List[Dict[str, Any]], item: Found, variant: str) -> Dict[str, Any]:
    """The item that a detection belongs to."""
    if item["object"] is not None:
        return grouped[item["object"]]
    for other in others:
        if variant not in other and other["name"] == item["name"] \
                and any(_overlap(other[name]["box"], item["box"]) >= _SAME_PLACE for name in other if name != "name"):
            return other
    others.append({"name": item["name"]})
    return others[-1]


def _item(item: Mapping[str, Any], image: Mapping[str, Any], first: str, second: str) -> Item:
    truth: Optional[Found] = item.get("truth")
    sides: Dict[str, Found] = {variant: item[variant] for variant in image["detections"] if variant in item}
    before, after = sides.get(first), sides.get(second)
    moved = "" if before is None or after is None else _moved(before, after)
    marks = [] if truth is None else [Mark("truth", "crowd" if truth["crowd"] else "object", 1.0, *truth["box"])]
    marks += [Mark(variant, found["outcome"], found["score"], *found["box"]) for variant, found in sides.items()]
    return Item(0, item["name"], marks, {variant: f"{sides[variant]['score']:.4f}" if variant in sides else ""
                                         for variant in image["detections"]}, moved,
                change(None if before is None else before["score"], None if after is None else after["score"], moved,
                       image["score"]),
                truth is not None or any(found["score"] >= image["score"] for found in sides.values()),
                _told(image, sides, "score"), _told(image, sides, "iou") if truth is not None else "")


def _moved(before: Found, after: Found) -> str:
    """Whether a detection is in another place, or passes more or fewer of the IoU that AP averages over."""
    if _overlap(before["box"], after["box"]) < MOVED_IOU:
        return MOVED
    passed = [sum(found["iou"] >= matching.IOU_THRESHOLDS) for found in (before, after) if found["object"] is not None]
    return IOU if len(set(passed)) > 1 else ""


def _told(image: Mapping[str, Any], sides: Mapping[str, Found], key: str) -> str:
    """A figure of all variants: `0.90 → 0.80`."""
    return " → ".join(f"{sides[variant][key]:.2f}" if variant in sides else NOTHING for variant in image["detections"])


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    return float(matching.iou(np.array(one), np.array(other), np.array(False)))
