"""Steps 1 and 2: the checkpoint as a frozen graph, its batch norms folded."""

from dataclasses import asdict
from pathlib import Path
from typing import List

from quant_accuracy.artifacts.records import read_json
from quant_accuracy.base import files
from quant_accuracy.base.errors import StorageError
from quant_accuracy.folding import fold, spelled_out, unfolded
from quant_accuracy.folding.fold import NotFolded
from quant_accuracy.freezing import load
from quant_accuracy.graph import image_input
from quant_accuracy.graph.image_input import ImageInput
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.records import FOLD, KEEP
from quant_accuracy.settings.card import ModelCard


def make(folder: Path, card: ModelCard, checkpoint: Path, trusted: bool) -> None:
    """Write `float.pb`, `folded.pb`, `fold.json` and `input.json`.

    Raises:
        CheckpointError: A file of the checkpoint is missing or damaged.
        GraphError: The graph is not one that can be evaluated.
    """
    names, spelled = card.graph, card.quantization.spelled_out_batch_norms
    graph = load.load_network(checkpoint, names, trusted)
    folded = fold.fold_batch_norms(Network.of(graph, names), spelled == FOLD)
    (folder / "float.pb").write_bytes(graph.SerializeToString(deterministic=True))
    (folder / "folded.pb").write_bytes(folded.graph.SerializeToString(deterministic=True))
    files.write_json(folder / "input.json", asdict(image_input.describe(graph, names)))
    not_folded = batch_norms_left(card, folded)
    files.write_json(folder / "fold.json", {"folded": [asdict(item) for item in folded.folded],
                                            "not_folded": [asdict(item) for item in not_folded],
                                            "batch_norms": [item.batch_norm for item in not_folded]})


def read_image_input(folder: Path) -> ImageInput:
    """Load what the graph takes as images.

    Raises:
        StorageError: The record is damaged.
    """
    try:
        return ImageInput(**read_json(folder / "input.json"))
    except TypeError as error:
        raise StorageError(f"{folder}: damaged ({error}); delete it, it will be rebuilt") from error


def batch_norms_left(card: ModelCard, folded: fold.FoldResult) -> List[NotFolded]:
    """The batch norms that are in a network after folding, with the reason, but for those that the card keeps there."""
    network = Network.of(folded.graph, card.graph)
    # Looked for in what came out by other means, and not believed to be what folding says of itself.
    seen = {item.op: item.reason for item in unfolded.find(network)}
    said = {item.batch_norm: item.reason for item in folded.not_folded}
    for group in spelled_out.find(network, combined=True):
        seen = {name: reason for name, reason in seen.items() if name not in group.chain}
        if card.quantization.spelled_out_batch_norms == KEEP and group.scale is not None:
            said.pop(group.name, None)
    return [NotFolded(name, reason) for name, reason in {**seen, **said}.items()]
