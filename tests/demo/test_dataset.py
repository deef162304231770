"""The demo's images."""

import hashlib
import json
from pathlib import Path

import numpy as np

from quant_accuracy.demo import dataset
from quant_accuracy.settings.card import DataPaths


def test_the_demo_has_what_coco_has(demo: DataPaths) -> None:
    document = json.loads(demo.annotations.read_text())
    sizes = np.array([[image["width"], image["height"]] for image in document["images"]])
    per_image = np.bincount([[image["id"] for image in document["images"]].index(thing["image_id"])
                             for thing in document["annotations"]], minlength=200)

    assert len(document["images"]) == 200
    assert len(document["categories"]) >= 10
    assert max(category["id"] for category in document["categories"]) == 90
    assert sizes.min() >= 239
    assert sizes.max() <= 640
    assert (sizes[:, 0] != sizes[:, 1]).all()
    assert (per_image == 0).any()
    assert any(thing["iscrowd"] for thing in document["annotations"])


def test_a_drawn_image_does_not_depend_on_how_many_are_drawn(tmp_path: Path) -> None:
    few, _ = dataset.write_coco(tmp_path / "few", 2, seed=5)
    more, _ = dataset.write_coco(tmp_path / "more", 4, seed=5)
    other, _ = dataset.write_coco(tmp_path / "other", 2, seed=6)

    drawn = {path.name: path.read_bytes() for path in few.iterdir()}
    assert drawn == {name: (more / name).read_bytes() for name in drawn}
    assert drawn != {name: (other / name).read_bytes() for name in drawn}


def test_whatever_pillow_draws_the_evaluation_images_are_the_same_bytes(demo: DataPaths) -> None:
    files = sorted((demo.dataset_dir / "images").iterdir())

    assert len(files) == 200
    together = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert together == "cd1821af123b2609152eb94e717650fa940d4a48b18686bf24d301fd42b960ce"
