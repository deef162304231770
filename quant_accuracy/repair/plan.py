"""What a search for a repair may do, and how it can end."""

from dataclasses import dataclass
from typing import Collection

from quant_accuracy.base.words import CLIP, REMEDIES
from quant_accuracy.settings.options import DEFAULT_REPAIR_BUDGET, DEFAULT_SEARCH_IMAGES

FOUND, TIME, INTERRUPTED, EXHAUSTED = "found", "time", "interrupted", "exhausted"


@dataclass(frozen=True)
class Plan:
    """What a search may do.

    Attributes:
        remedies: Which of `words.REMEDIES`.
        minutes: Nothing is begun after so long.
        images: How many images are enough to search on.
        exhaustive: Go on when a repair is found, until nothing is left to be tried.
        strict: An inconclusive gate is no pass.
        relu6: What equalization does with a ReLU6, of `words.RELU6_WAYS`.
        keeps: What is measured stays in the cache, so that a second call goes on.
    """

    remedies: Collection[str] = REMEDIES
    minutes: float = DEFAULT_REPAIR_BUDGET
    images: int = DEFAULT_SEARCH_IMAGES
    exhaustive: bool = False
    strict: bool = False
    relu6: str = CLIP
    keeps: bool = True
