"""Which shards a search measures on, and which it must not see."""

from dataclasses import dataclass
from typing import List, Sequence

from quant_accuracy.data.shards import Shard

# One shard of so many is held back.
_EVERY = 3


@dataclass(frozen=True)
class Split:
    """The evaluated shards in two parts.

    Attributes:
        search: Those that the search measures on.
        held_back: Those for the last word; empty where none can be spared.
        reason: Why none is held back; empty where some are.
    """

    search: Sequence[Shard]
    held_back: Sequence[Shard]
    reason: str = ""


def split(shards: Sequence[Shard], calibrating: Sequence[Shard], images: int) -> Split:
    """Hold back a third of the shards, of those that do not calibrate, and search on enough of the others.

    Remedies learn from calibration images: their shards would flatter them.

    Args:
        shards: The evaluated shards.
        calibrating: Those of the data set that hold calibration images.
        images: How many images are enough for the search.
    """
    learnt = {shard.path for shard in calibrating}
    free = [shard for shard in shards if shard.path not in learnt]
    wanted = max(1, len(shards) // _EVERY)
    held = free[1::2][:wanted] or (free[:wanted] if len(shards) > len(free) else [])
    kept = {shard.index for shard in held}
    rest = [shard for shard in shards if shard.index not in kept]
    if not held:
        return Split(_enough(rest, images), [], "all shards hold calibration images" if not free else
                     "there is one shard only")
    return Split(_enough(rest, images), held)


def _enough(shards: Sequence[Shard], images: int) -> List[Shard]:
    """The first shards with so many images, at least one shard."""
    found: List[Shard] = []
    for shard in shards:
        if found and sum(known.records for known in found) >= images:
            break
        found.append(shard)
    return found
