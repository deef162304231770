"""Boxes in another form than COCO's are told from what they would overlap, and right ones never are."""

from typing import Dict, Tuple

import numpy as np
import pytest

from quant_accuracy.device.exchange import box_forms
from quant_accuracy.device.exchange.box_forms import Boxes

_SIZE = (300, 300)


def _scene(images: int, square: bool = False) -> Tuple[Boxes, Dict[int, Tuple[int, int]]]:
    """Three boxes an image, somewhere in it."""
    random = np.random.RandomState(0)
    sides = dict.fromkeys(range(images), (480, 480) if square else (640, 480))
    ids = np.repeat(np.arange(images), 3)
    lengths = np.array([sides[image] for image in ids.tolist()], np.float64)
    corners = random.uniform(0, 0.6, (len(ids), 2)) * lengths
    return Boxes(ids, np.concatenate([corners, random.uniform(0.1, 0.4, (len(ids), 2)) * lengths], axis=1),
                 random.uniform(0.4, 1.0, len(ids))), sides


def _shaken(boxes: Boxes) -> np.ndarray:
    return boxes.boxes * np.random.RandomState(1).normal(1, 0.03, boxes.boxes.shape)


def _written(form: str, boxes: np.ndarray, side: np.ndarray) -> np.ndarray:
    x, y, width, height = boxes.T
    columns = {"swapped": [y, x, height, width], "corners": [x, y, x + width, y + height],
               "swapped corners": [y, x, y + height, x + width],
               "centre": [x + width / 2, y + height / 2, width, height], "right": [x, y, width, height],
               "relative": [x / side[:, 0], y / side[:, 1], width / side[:, 0], height / side[:, 1]],
               "relative corners of TensorFlow": [y / side[:, 1], x / side[:, 0], (y + height) / side[:, 1],
                                                  (x + width) / side[:, 0]],
               "resized": [x * 300 / side[:, 0], y * 300 / side[:, 1], width * 300 / side[:, 0],
                           height * 300 / side[:, 1]]}
    return np.stack(columns[form], axis=1)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize(("form", "said"), [
    ("right", None), ("swapped", "y, x, height, width"), ("corners", "left, top, right, bottom"),
    ("swapped corners", "top, left, bottom, right"), ("centre", "centre x, centre y, width, height"),
    ("relative", "relative x, y, width, height"),
    ("relative corners of TensorFlow", "relative top, left, bottom, right"),
    ("resized", "of the resized image, x, y, width, height"),
])
def test_the_form_of_boxes_is_told_by_what_they_overlap(form: str, said: object, square: bool) -> None:
    scene, sides = _scene(40, square)
    side = np.array([sides[image] for image in scene.images.tolist()], np.float64)
    device = scene._replace(boxes=_written(form, _shaken(scene), side))

    assert box_forms.other_form(device, scene, sides, _SIZE) == said


def test_a_bad_device_is_not_taken_for_another_form() -> None:
    scene, sides = _scene(40)
    wrong = scene._replace(boxes=np.random.RandomState(2).uniform(0, 300, scene.boxes.shape))

    assert box_forms.other_form(wrong, scene, sides, _SIZE) is None


def test_a_few_boxes_say_nothing() -> None:
    scene, sides = _scene(2)

    assert box_forms.other_form(scene._replace(boxes=scene.boxes[:, [1, 0, 3, 2]]), scene, sides, _SIZE) is None
