"""What steps 1 to 5 leave in the cache, and how it is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.base import documents
from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.detection.postprocessing import Postprocessing
from quant_accuracy.graph import fold
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import (
    Encodings,
    Quantizer,
    Symmetry,
)


@dataclass(frozen=True)
class Checkpoint:
    """What steps 1 and 2 left in the cache.

    Attributes:
        prefix: Prefix of the checkpoint's files.
        folder: `float.pb`, `folded.pb`, `fold.json`, `input.json`.
    """

    prefix: Path
    folder: Path

    def graph(self) -> tf.GraphDef:
        """Load the float graph with its batch norms folded."""
        return read_graph(self.folder / "folded.pb")


@dataclass(frozen=True)
class Artifacts:
    """What steps 1 to 5 left in the cache.

    Attributes:
        float_folder: `float.pb`, `folded.pb`, `fold.json`, `input.json`.
        quantsim_folder: `quantizers.json`, `model.encodings`, `quantsim.pb`, `postprocessing.json`.
        quantizers: Every quantizer of the network.
        encodings: The encodings of the enabled ones, by tensor name.
        left_out: Batch norms that could not be folded or were not to be, with the reason.
        batch_norms: Batch norms that are in the network after folding, but for those that the card keeps there.
        postprocessing: Where detection may leave the graph before suppression; None to run the graph's own ops.
        total: Most detections of an image; 0 when not known.
        simulator: Who runs the quantized network, `builtin` or `aimet`.
    """

    float_folder: Path
    quantsim_folder: Path
    quantizers: Sequence[Quantizer]
    encodings: Encodings
    left_out: Sequence[fold.LeftOut]
    batch_norms: Sequence[str]
    postprocessing: Optional[Postprocessing]
    total: int
    simulator: str

    def graph_file(self, variant: str) -> Path:
        """The graph that a variant runs: the folded float graph, or the simulation."""
        return self.float_folder / "folded.pb" if variant == FLOAT else self.quantsim_folder / "quantsim.pb"

    def graph(self, variant: str) -> tf.GraphDef:
        """Load a variant's graph."""
        return read_graph(self.graph_file(variant))


def read(float_folder: Path, quantsim_folder: Path) -> Artifacts:
    """Load the records of artifacts that `build` made.

    Raises:
        StorageError: A file is missing or damaged.
    """
    try:
        quantizers = [Quantizer(**{**item, "symmetry": Symmetry(**item["symmetry"])})
                      for item in read_json(quantsim_folder / "quantizers.json")]
        folding = read_json(float_folder / "fold.json")
        left_out = [fold.LeftOut(**item) for item in folding["left_out"]]
        batch_norms = [str(name) for name in folding["batch_norms"]]
        place = read_json(quantsim_folder / "postprocessing.json")
        found = Postprocessing(**place["place"]) if place["place"] else None
        encodings = encodings_file.read(quantsim_folder / "model.encodings",
                                        f"delete {quantsim_folder}, it will be made again").all()
    except (KeyError, TypeError) as error:
        raise StorageError(f"{quantsim_folder}: damaged ({error}); delete it, it will be made again") from error
    return Artifacts(float_folder, quantsim_folder, quantizers, encodings, left_out, batch_norms, found,
                     int(place["total"]), str(place["simulator"]))


def read_graph(path: Path) -> tf.GraphDef:
    """Load a graph of the cache.

    Raises:
        StorageError: It is missing or damaged.
    """
    graph = tf.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf raises several kinds for damaged files
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be made again") from error
    return graph


def read_json(path: Path) -> Any:
    """Load a JSON file of the cache.

    Raises:
        StorageError: It is missing or damaged.
    """
    try:
        return documents.read_json(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be made again") from error
