"""The outlines of the demo's categories, as polygons in a unit square."""

from typing import Callable, Dict, List, NamedTuple

import numpy as np


class Category(NamedTuple):
    """A category of the demo: its COCO-like id, its name, and its outline.

    Attributes:
        id: Category id; ids have gaps, as COCO's 1..90 do.
        name: What is drawn.
        outline: Gives float64 [n, 2] vertices (x, y) centred on 0, within about [-1, 1].
    """

    id: int
    name: str
    outline: Callable[[], np.ndarray]


def _arc(start: float, stop: float, count: int, radius: float = 1.0) -> np.ndarray:
    angles = np.radians(np.linspace(start, stop, count))
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _regular(corners: int, start: float) -> np.ndarray:
    return _arc(start, start + 360.0, corners + 1)[:-1]


def _star() -> np.ndarray:
    outer, inner = _regular(5, -90.0), 0.42 * _regular(5, -54.0)
    return np.stack([outer, inner], axis=1).reshape(-1, 2)


def _ring() -> np.ndarray:
    # One closed outline with a seam of width zero, so that the hole stays a hole.
    return np.concatenate([_arc(0.0, 360.0, 49), _arc(360.0, 0.0, 49, radius=0.55)])


def _crescent() -> np.ndarray:
    inner = _arc(300.0, 60.0, 33) * [0.78, 0.8] + [0.42, 0.0]
    return np.concatenate([_arc(48.0, 312.0, 41), inner])


def _heart() -> np.ndarray:
    t = np.linspace(0.0, 2.0 * np.pi, 49)[:-1]
    x = 16.0 * np.sin(t) ** 3
    y = -(13.0 * np.cos(t) - 5.0 * np.cos(2 * t) - 2.0 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y - 2.5], axis=1) / 16.0


def _polygon(*corners: float) -> Callable[[], np.ndarray]:
    return lambda: np.array(corners, np.float64).reshape(-1, 2)


CATEGORIES: List[Category] = [
    Category(1, "disc", lambda: _regular(48, 0.0)),
    Category(2, "square", _polygon(-1, -1, 1, -1, 1, 1, -1, 1)),
    Category(5, "triangle", lambda: _regular(3, -90.0)),
    Category(9, "star", _star),
    Category(13, "cross", _polygon(-.33, -1, .33, -1, .33, -.33, 1, -.33, 1, .33, .33, .33,
                                   .33, 1, -.33, 1, -.33, .33, -1, .33, -1, -.33, -.33, -.33)),
    Category(18, "ring", _ring),
    Category(27, "hexagon", lambda: _regular(6, 0.0)),
    Category(33, "crescent", _crescent),
    Category(44, "arrow", _polygon(0, -1, .8, -.1, .3, -.1, .3, 1, -.3, 1, -.3, -.1, -.8, -.1)),
    Category(58, "heart", _heart),
    Category(72, "dome", lambda: _arc(180.0, 360.0, 33) + [0.0, 0.5]),
    Category(90, "bolt", _polygon(.25, -1, -.7, .15, -.1, .15, -.25, 1, .7, -.2, .1, -.2)),
]

BY_ID: Dict[int, Category] = {category.id: category for category in CATEGORIES}


def area(polygon: np.ndarray) -> float:
    """The area of a simple polygon (shoelace formula), in the square of its vertices' unit."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2.0)
