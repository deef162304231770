"""Drawn images in COCO's layout: the same seed gives the same files, whatever was drawn before."""

import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image, ImageDraw

from quant_accuracy.base import progress
from quant_accuracy.demo import edges, shapes

EVALUATION_SEED = 2017
TRAINING_SEED = 1994

_OVERSAMPLING = 2
_JPEG_QUALITY = 90


class _Object(NamedTuple):
    category_id: int
    polygon: np.ndarray
    iscrowd: bool

    @property
    def box(self) -> Tuple[float, float, float, float]:
        (left, top), (right, bottom) = self.polygon.min(axis=0), self.polygon.max(axis=0)
        return left, top, right, bottom


class Scene(NamedTuple):
    """An image, and what it shows."""

    image: Image.Image
    objects: List[_Object]


def write_coco(folder: Path, count: int, seed: int, crowds: bool = True) -> Tuple[Path, Path]:
    """Draw `count` images into `folder` in COCO's layout.

    About one image in sixteen has no object, one in twelve has a crowd, one in ten is grayscale.

    Args:
        folder: Where `images/` and `annotations/instances.json` are made.
        count: Number of images.
        seed: Decides every pixel; image `i` does not depend on `count`.
        crowds: Whether some images hold crowds.

    Returns:
        The image folder and the annotation file.
    """
    images, annotations = folder / "images", folder / "annotations" / "instances.json"
    images.mkdir(parents=True)
    annotations.parent.mkdir(parents=True)
    document: Dict[str, List[Dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": c.id, "name": c.name, "supercategory": "shape"} for c in shapes.CATEGORIES],
    }
    for index in progress.bar(range(count), total=count, unit="images", label="drawing"):
        scene = draw_scene(seed, index, crowds)
        image_id = 1000 + 13 * index
        name = f"{image_id:012d}.jpg"
        scene.image.save(str(images / name), quality=_JPEG_QUALITY)
        document["images"].append({"id": image_id, "file_name": name,
                                   "width": scene.image.width, "height": scene.image.height})
        for thing in scene.objects:
            document["annotations"].append(_annotation(len(document["annotations"]) + 1, image_id, thing, scene.image))
    annotations.write_text(json.dumps(document), encoding="utf-8")
    return images, annotations


def draw_scene(seed: int, index: int, crowds: bool = True, settled: bool = True) -> Scene:
    """Draw one image.

    Args:
        seed: As `write_coco` takes it.
        index: Which one.
        crowds: As `write_coco` takes it.
        settled: Make an evaluation image the same whichever version of Pillow draws.
    """
    scene = _draw_scene(np.random.RandomState([seed, index]), crowds)
    if settled and seed == EVALUATION_SEED:
        edges.settle(scene.image, index)
    return scene


def _annotation(annotation_id: int, image_id: int, thing: _Object, image: Image.Image) -> Dict[str, Any]:
    left, top, right, bottom = (round(float(edge), 2) for edge in thing.box)
    polygon = [round(float(value), 2) for value in thing.polygon.reshape(-1)]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": thing.category_id,
        "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
        "area": round(shapes.area(thing.polygon), 2),
        "iscrowd": int(thing.iscrowd),
        "segmentation": _box_mask(thing, image) if thing.iscrowd else [polygon],
    }


def _box_mask(thing: _Object, image: Image.Image) -> Dict[str, Any]:
    """COCO's uncompressed run lengths, column by column, of a crowd's box."""
    mask = np.zeros((image.height, image.width), np.uint8)
    left, top, right, bottom = (round(float(edge)) for edge in thing.box)
    mask[top:bottom, left:right] = 1
    pixels = mask.reshape(-1, order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]])))
    runs = np.diff(np.concatenate([[0], edges, [pixels.size]]))
    return {"counts": [int(run) for run in runs], "size": [image.height, image.width]}


def _draw_scene(random: np.random.RandomState, crowds: bool) -> Scene:
    width, height = (int(side) for side in random.randint(240, 641, size=2))
    if width == height:
        width -= 1
    canvas = _background(random, width, height)
    draw = ImageDraw.Draw(canvas)
    _clutter(random, draw, canvas.size)
    objects: List[_Object] = []
    if crowds and random.uniform() < 1.0 / 12.0:
        objects.append(_draw_crowd(random, canvas, draw))
    # A scene without objects is as likely as one with six.
    wanted = int(random.choice(7, p=[0.06, 0.22, 0.22, 0.18, 0.15, 0.11, 0.06]))
    fractions = np.sort(np.exp(random.uniform(np.log(0.1), np.log(0.9), size=wanted)))[::-1]
    for fraction in fractions:
        placed = _place(random, fraction, width, height, objects)
        if placed is not None:
            _draw_object(random, canvas, draw, placed.polygon)
            objects.append(placed)
    image = canvas.reduce(_OVERSAMPLING)
    image = _add_noise(random, image)
    if random.uniform() < 0.1:
        image = image.convert("L")
    return Scene(image, objects)


def _background(random: np.random.RandomState, width: int, height: int) -> Image.Image:
    base = random.randint(30, 226, size=3)
    patches = np.clip(base + random.normal(0.0, 14.0, size=(4, 4, 3)), 0, 255).astype(np.uint8)
    return Image.fromarray(patches).resize((_OVERSAMPLING * width, _OVERSAMPLING * height), Image.BICUBIC)


def _clutter(random: np.random.RandomState, draw: ImageDraw.ImageDraw, size: Tuple[int, int]) -> None:
    """Lines and outlines that belong to no category: something to be wrong about."""
    for _ in range(random.randint(0, 5)):
        corners = (random.uniform(-0.1, 1.1, size=(random.randint(2, 5), 2)) * size).tolist()
        draw.line([tuple(corner) for corner in corners], fill=_colour(random), width=int(random.randint(2, 9)))


def _colour(random: np.random.RandomState) -> Tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.randint(0, 256, size=3))
    return red, green, blue


def _polygon(random: np.random.RandomState, category: shapes.Category, longer: float) -> np.ndarray:
    """The category's outline, stretched and turned a little, its longer side `longer` pixels, from (0, 0) on."""
    angle = np.radians(random.uniform(-20.0, 20.0))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    stretch = np.exp(random.uniform(-0.35, 0.35))
    polygon = (category.outline() * [stretch, 1.0 / stretch]) @ turn
    polygon = polygon - polygon.min(axis=0)
    return polygon * (longer / polygon.max())


def _any_category(random: np.random.RandomState) -> shapes.Category:
    return shapes.CATEGORIES[int(random.randint(len(shapes.CATEGORIES)))]


def _place(random: np.random.RandomState, fraction: float, width: int, height: int,
           others: List[_Object]) -> Optional[_Object]:
    """An object that hides at most a third of what is there and lies at most a third on it; None where none fits."""
    for _ in range(12):
        category = _any_category(random)
        polygon = _polygon(random, category, fraction * min(width, height))
        room = np.array([width, height]) - polygon.max(axis=0) - 2.0
        thing = _Object(category.id, polygon + 1.0 + random.uniform(size=2) * room, iscrowd=False)
        if all(_overlap(thing.box, other.box) < (0.02 if other.iscrowd else 0.34) for other in others):
            return thing
    return None


def _overlap(a: Tuple[float, float, float, float], b: Tuple[float, float, float, float]) -> float:
    """The intersection of two boxes as a fraction of the smaller one."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(width, 0.0) * max(height, 0.0) / smaller


def _draw_object(random: np.random.RandomState, canvas: Image.Image, draw: ImageDraw.ImageDraw,
                 polygon: np.ndarray) -> None:
    points = polygon * _OVERSAMPLING
    x, y = points.mean(axis=0)
    below = np.array(canvas.getpixel((int(x), int(y))), np.float64)
    colour = _colour(random)
    for _ in range(12):
        if np.abs(np.array(colour) - below).sum() > 200.0:
            break
        colour = _colour(random)
    draw.polygon([tuple(point) for point in points.tolist()], fill=colour)
    if random.uniform() < 0.15:
        # Stripes: a category is told by its outline, not by a smooth inside.
        stripes = Image.new("RGB", canvas.size, colour)
        pen = ImageDraw.Draw(stripes)
        other = _colour(random)
        step = int(random.randint(16, 48))
        for offset in range(0, canvas.width + canvas.height, 2 * step):
            pen.line([(offset, 0), (offset - canvas.height, canvas.height)], fill=other, width=step // 2)
        mask = Image.new("1", canvas.size)
        ImageDraw.Draw(mask).polygon([tuple(point) for point in points.tolist()], fill=1)
        canvas.paste(stripes, mask=mask)


def _draw_crowd(random: np.random.RandomState, canvas: Image.Image, draw: ImageDraw.ImageDraw) -> _Object:
    width, height = canvas.width // _OVERSAMPLING, canvas.height // _OVERSAMPLING
    category = _any_category(random)
    size = np.array([width, height]) * random.uniform(0.3, 0.5, size=2)
    corner = random.uniform(size=2) * (np.array([width, height]) - size - 2.0) + 1.0
    for _ in range(random.randint(15, 30)):
        polygon = _polygon(random, category, random.uniform(0.12, 0.25) * size.min())
        place = corner + random.uniform(size=2) * (size - polygon.max(axis=0))
        _draw_object(random, canvas, draw, polygon + place)
    box = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size + corner
    return _Object(category.id, box, iscrowd=True)


def _add_noise(random: np.random.RandomState, image: Image.Image) -> Image.Image:
    pixels = np.asarray(image).astype(np.int16)
    amplitude = int(random.randint(2, 14))
    noise = random.randint(-amplitude, amplitude + 1, size=pixels.shape[:2] + (1,))
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
