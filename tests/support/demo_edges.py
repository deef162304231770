"""The pixels of the demo's images that two versions of Pillow draw differently.

    python -m tests.support.demo_edges draw FILE        under the version that is the reference
    python -m tests.support.demo_edges compare FILE     under another: writes quant_accuracy/demo/edges.json
"""

import json
import sys
from pathlib import Path
from typing import Dict, List

import numpy as np

from quant_accuracy.demo import dataset, edges, ready


def _drawn() -> Dict[str, np.ndarray]:
    """Each image as it is drawn, by its number."""
    return {str(index): np.asarray(dataset.draw_scene(dataset.EVALUATION_SEED, index, settled=False).image)
            for index in range(ready.IMAGES)}


def _compare(reference: Path) -> None:
    found: Dict[str, List[List[int]]] = {}
    with np.load(reference, allow_pickle=False) as wanted:
        for index, pixels in _drawn().items():
            other = np.atleast_3d(pixels != wanted[index]).any(axis=2)
            if other.any():
                found[index] = [[int(x), int(y), *np.atleast_1d(wanted[index][y, x]).tolist()]
                                for y, x in np.argwhere(other)]
    lines = ",\n".join(f'"{index}": {json.dumps(pixels, separators=(",", ":"))}' for index, pixels in found.items())
    edges.FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        np.savez_compressed(sys.argv[2], **_drawn())
    else:
        _compare(Path(sys.argv[2]))
