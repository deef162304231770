"""Pixels on the edges of shapes that versions of Pillow draw differently, as one of them draws them.

The demo's figures are committed, so its images have to be the same bytes wherever they are drawn. Pillow's polygons and
lines changed in 10.0 by a pixel here and there; `edges.json` holds what 9.5.0 draws at those that 13.0.0 draws
otherwise: for each image `[x, y, value ...]`.
"""

import functools
import json
from pathlib import Path
from typing import Mapping, Sequence

from PIL import Image

FILE = Path(__file__).resolve().parent / "edges.json"


@functools.lru_cache(maxsize=1)
def _known() -> Mapping[str, Sequence[Sequence[int]]]:
    found: Mapping[str, Sequence[Sequence[int]]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def settle(image: Image.Image, index: int) -> None:
    """Give these pixels of an evaluation image the values of the reference."""
    for x, y, *value in _known().get(str(index), ()):
        image.putpixel((x, y), tuple(value) if len(value) > 1 else value[0])
