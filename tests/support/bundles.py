"""Bundles without a network, and what a board may leave of them."""

from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np

from quant_accuracy.base import files
from quant_accuracy.device.exchange import input_list, manifest
from quant_accuracy.device.exchange.manifest import BundledImage, BundledShard, Manifest, Subject, Tensor

SUBJECT = Subject("mine", {".index": "1" * 64, ".data-00000-of-00001": "2" * 64}, "3" * 64, ("start",),
                  ("concat", "concat_1"), "decode, resize", (30, 40))
OUTPUTS = (Tensor("concat", (1, 5, 1, 4)), Tensor("concat_1", (1, 5, 3)))

# From the name of an output to that of its file.
Naming = Callable[[str], str]


def bundle_of(*records: int, outputs: Sequence[Tensor] = OUTPUTS, inputs: Sequence[str] = ("start",)) -> Manifest:
    """A bundle of shards with so many images each, whose ids are 100, 101 and so on."""
    shards = tuple(BundledShard(index, f"val-{index}", f"{index:064d}", count, count)
                   for index, count in enumerate(records))
    named = [[f"inputs/{place:06d}{'' if len(inputs) == 1 else f'.{number}'}.raw" for number in range(len(inputs))]
             for place in range(sum(records))]
    images = tuple(BundledImage(100 + place, f"{place:064x}", tuple(names)) for place, names in enumerate(named))
    return Manifest(SUBJECT, "float32", tuple(Tensor(name, (1, 30, 40, 3)) for name in inputs), tuple(outputs), shards,
                    images, {"tensorflow": "1.15.5"})


def values_of(bundle: Manifest, place: int) -> List[np.ndarray]:
    """Outputs that differ from image to image."""
    random = np.random.RandomState(place)
    return [random.standard_normal(tensor.shape).astype(np.float32) for tensor in bundle.outputs]


def leave(folder: Path, bundle: Manifest, naming: Naming = lambda name: f"{name}.raw",
          results: str = "output/Result_{}") -> Tuple[Path, Dict[int, List[Path]]]:
    """Write a bundle's manifest and list, and what a board leaves of it; the folder, and the files of each image."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write(folder / manifest.NAME, bundle)
    input_list.write(folder / input_list.NAME, bundle)
    written: Dict[int, List[Path]] = {}
    for place in range(len(bundle.images)):
        written[place] = []
        for tensor, value in zip(bundle.outputs, values_of(bundle, place)):
            path = folder / results.format(place) / naming(tensor.name)
            files.write_bytes(path, value.tobytes())
            written[place].append(path)
    return folder, written
