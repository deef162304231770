"""What to evaluate."""

from dataclasses import dataclass
from typing import Optional

from quant_accuracy.card import DataPaths, ModelCard


@dataclass(frozen=True)
class Request:
    """One evaluation.

    Attributes:
        card: The model card.
        data: Checkpoint, shards and annotations.
        batch_size: Images per batch.
        selection: Shards to evaluate, such as `0,3-5`; None takes all.
        num_examples: Images to evaluate; None takes all of the selected shards.
    """

    card: ModelCard
    data: DataPaths
    batch_size: int
    selection: Optional[str] = None
    num_examples: Optional[int] = None
