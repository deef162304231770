"""What workers have to know, whatever shards they get."""

from typing import Mapping, Sequence

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import DEVICE, FLOAT, NETWORK, QUANTIZED
from quant_accuracy.detection.run import Run
from quant_accuracy.executors.worker import Assignment
from quant_accuracy.quantization.records import BUILTIN
from quant_accuracy.runtimes import choice
from quant_accuracy.settings.card import ModelCard


def of_artifacts(artifacts: Artifacts, card: ModelCard, runs: Sequence[Run], batch_size: int,
                 digests: Mapping[int, str]) -> Assignment:
    """What workers have to know for some runs of a model.

    Raises:
        StorageError: A graph is missing or damaged.
    """
    elsewhere = artifacts.simulator != BUILTIN and any(run.variant == QUANTIZED for run in runs)
    # Others run the network alone, the rest is the float graph's.
    of_float = {DEVICE, FLOAT, *([QUANTIZED] if elsewhere else [])}
    # Switches are put into the network that is quantized.
    of_network = [QUANTIZED] if any(run.disabled for run in runs) and not elsewhere else []
    needed = {FLOAT if run.variant in of_float else NETWORK if run.variant in of_network else run.variant
              for run in runs}
    graphs = {name: artifacts.graph(name).SerializeToString(deterministic=True) for name in sorted(needed)}
    return Assignment(runs, graphs, card.graph, artifacts.suppression, artifacts.quantization,
                      artifacts.simulator if elsewhere else BUILTIN, artifacts.quantsim_folder if elsewhere else None,
                      artifacts.device,
                      choice.of_name(artifacts.computation.runtime).identity, artifacts.computation.table, batch_size,
                      (card.height, card.width), digests)
