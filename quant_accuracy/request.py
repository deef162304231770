"""What to evaluate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from quant_accuracy.card import DataPaths, ModelCard

BASELINES = Path(__file__).resolve().parent.parent / "baselines"


@dataclass(frozen=True)
class Request:
    """One evaluation.

    Attributes:
        card: The model card.
        data: Checkpoint, shards and annotations.
        batch_size: Images per batch.
        selection: Shards to evaluate, such as `0,3-5`; None takes all.
        num_examples: Images to evaluate; None takes all of the selected shards.
        shard_count: How many of the data set's shards to evaluate, from the first on; None takes all.
        threads: Cores to use for detection; None takes all.
        baselines: Folder of the committed baselines.
        jitter: Measure the numerical jitter instead of taking the baseline's.
    """

    card: ModelCard
    data: DataPaths
    batch_size: int
    selection: Optional[str] = None
    num_examples: Optional[int] = None
    shard_count: Optional[int] = None
    threads: Optional[int] = None
    baselines: Path = BASELINES
    jitter: bool = False
