"""Which shards there are and which of them are evaluated; found before TensorFlow is imported."""

from dataclasses import dataclass
from typing import Sequence

from quant_accuracy.base import progress
from quant_accuracy.data import shards
from quant_accuracy.data.shards import Shard
from quant_accuracy.settings.request import Request


@dataclass(frozen=True)
class DataSet:
    """The shards of a data set.

    Attributes:
        evaluated: Those to evaluate, in order.
        every: All that are there, evaluated or not, those too that the pattern leaves out.
    """

    evaluated: Sequence[Shard]
    every: Sequence[Shard]


def select(request: Request) -> DataSet:
    """Find the shards of a request.

    Raises:
        ConfigurationError: A selected shard does not exist, or there are fewer images than asked for.
        DataError: Nothing matches the pattern, or a shard is missing or cut short.
    """
    folder, pattern = request.data.dataset_dir, request.data.pattern
    available = shards.find_shards(folder, pattern)
    evaluated = shards.select(available, request.selection, request.num_examples, request.shard_count)
    # A card that leaves images out on purpose has the data set that its pattern names.
    on_purpose = request.card.part_of_annotations
    every = available if on_purpose else shards.whole_set(folder, pattern, available)
    size = every[0].set_size
    if size is not None and len(available) < size and not on_purpose:
        progress.say(f"{pattern} takes {len(available)} of the {size} shards of the data set: figures are those of "
                     "a part")
    return DataSet(evaluated, every)
