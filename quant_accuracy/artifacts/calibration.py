"""Which shards hold the calibration images."""

from typing import List, Sequence

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data.shards import Shard


def calibration_shards(shards: Sequence[Shard], count: int) -> List[Shard]:
    """The leading shards that hold the calibration images.

    Raises:
        ConfigurationError: The data set has fewer images.
    """
    leading: List[Shard] = []
    for shard in shards:
        if sum(known.total for known in leading) >= count:
            break
        leading.append(shard)
    available = sum(shard.total for shard in leading)
    if available < count:
        raise ConfigurationError(f"{count} calibration images are asked for, but the data set holds {available}; "
                                 "lower --calibration-images or give more shards")
    return leading
