"""Whether all images were evaluated that should have been, once each."""

from collections import Counter
from typing import List, Sequence

_SHOWN = 5


def differences(expected: Sequence[int], evaluated: Sequence[int]) -> List[str]:
    """One line for each kind of difference, naming the first images; none when all is well.

    Args:
        expected: The image ids that should be there, each once.
        evaluated: Those that are.
    """
    wanted, found = Counter(expected), Counter(evaluated)
    kinds = [
        ("not evaluated", [image for image in wanted if image not in found]),
        ("evaluated more than once", [image for image, count in found.items() if count > 1]),
        ("evaluated, but not expected", [image for image in found if image not in wanted]),
        ("expected more than once", [image for image, count in wanted.items() if count > 1]),
    ]
    return [f"{len(images)} images {kind}: {_some(sorted(images))}" for kind, images in kinds if images]


def _some(images: Sequence[int]) -> str:
    return ", ".join(map(str, images[:_SHOWN])) + (", ..." if len(images) > _SHOWN else "")
