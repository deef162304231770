"""From an evaluation to the committed baseline of its model."""

from pathlib import Path
from typing import List

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.pipeline.evaluation import Evaluation


def write_baseline(evaluation: Evaluation) -> List[Path]:
    """Make an evaluation of the whole data set the baseline of its model, with the jitter if measured; say which files.

    Figures of a device are in it where one was measured.

    Raises:
        ConfigurationError: Only a part was evaluated, or the device has run only a part.
    """
    prepared = evaluation.prepared
    if not prepared.whole():
        # Options that ask for a part are refused before; a pattern may do so too.
        every = prepared.every_shard[0].set_size or len(prepared.every_shard)
        raise ConfigurationError(f"a baseline is made of the whole data set, and {len(evaluation.shards)} of its "
                                 f"{every} shards were evaluated; let --TFRecord-file-pattern take all of them")
    figures = evaluation.figures
    if figures.device is not None and figures.device.missing:
        raise ConfigurationError(f"a baseline is made of the whole data set, and the device has not run "
                                 f"{figures.device.missing} of its images; let it run all, or give no device")
    metrics = {name: variant.metrics for name, variant in evaluation.variants.items()}
    return baselines.write(evaluation.request.new_baseline, evaluation.request.card.name,
                           Baseline(metrics, figures.jitter, figures.provenance), prepared.snapshot())
