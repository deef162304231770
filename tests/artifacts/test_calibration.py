"""Which shards hold the calibration images."""

from pathlib import Path
from typing import List

import pytest

from quant_accuracy.artifacts import calibration
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data.shards import Shard

_SHARDS = [Shard(index, Path(f"val-{index}"), records=1, total=total) for index, total in enumerate((20, 20, 10))]


@pytest.mark.parametrize(("count", "leading"), [(1, [0]), (20, [0]), (21, [0, 1]), (50, [0, 1, 2])])
def test_the_first_shards_are_taken_whatever_is_evaluated_of_them(count: int, leading: List[int]) -> None:
    assert [shard.index for shard in calibration.calibration_shards(_SHARDS, count)] == leading


def test_more_images_than_there_are_are_refused_with_their_number() -> None:
    with pytest.raises(ConfigurationError, match="51 calibration images .* the data set holds 50"):
        calibration.calibration_shards(_SHARDS, 51)
