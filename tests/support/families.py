"""Families of quantizers to search in."""

from typing import List, Tuple

from quant_accuracy.why.families import Family

RANKED = [f"t{number}" for number in range(40)]


def families_of(*sizes: Tuple[str, str, int]) -> List[Family]:
    """Families of so many tensors each, given by name, kind and size."""
    found, used = [], 0
    for name, kind, size in sizes:
        found.append(Family(name, kind, tuple(RANKED[used:used + size])))
        used += size
    return found


SIX = families_of(("depthwise weights", "weights", 6), ("convolution weights", "weights", 10),
                  ("dense weights", "weights", 4), ("activations of Relu6", "activations", 12),
                  ("activations of Conv2D", "activations", 6), ("activations of AddV2", "activations", 2))
