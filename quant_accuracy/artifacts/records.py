"""What steps 1 to 5 leave in the cache, and how it is read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base import documents
from quant_accuracy.base.errors import StorageError
from quant_accuracy.base.words import NETWORK, QUANTIZED, TENSORFLOW
from quant_accuracy.detection.postprocessing import Postprocessing, Suppression
from quant_accuracy.folding.fold import Folded, NotFolded
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import Encodings, Quantization, Quantizer, Symmetry

SUPPRESSION_FILE, SIMULATOR_FILE = "suppression.json", "simulator.json"


@dataclass(frozen=True)
class Checkpoint:
    """What steps 1 and 2 left in the cache.

    Attributes:
        prefix: Prefix of the checkpoint's files.
        folder: `float.pb`, `folded.pb`, `fold.json`, `input.json`.
        quantized: The checkpoint that is quantized in its place; None for itself.
    """

    prefix: Path
    folder: Path
    quantized: Optional["Checkpoint"] = None

    def graph(self) -> tf.GraphDef:
        """Load the float graph with its batch norms folded."""
        return read_graph(self.folder / "folded.pb")


@dataclass(frozen=True)
class Computation:
    """What computes networks.

    Attributes:
        runtime: `tensorflow` or `openvino`.
        table: What preprocessing makes of pixels, as `pixels.table_of`; None to run its ops.
    """

    runtime: str = TENSORFLOW
    table: Optional[Tuple[float, ...]] = None


@dataclass(frozen=True)
class DeviceModel:
    """An integer model.

    Attributes:
        kind: Which one, of `words.DEVICES`.
        identity: Who runs it, with the version.
        folder: The model, and what running it needs.
    """

    kind: str
    identity: str
    folder: Path


@dataclass(frozen=True)
class Artifacts:
    """What steps 1 to 5 left in the cache.

    Attributes:
        float_folder: `float.pb`, `folded.pb`, `fold.json`, `input.json`.
        quantsim_folder: `quantizers.json`, `model.encodings`, `quantsim.pb`, `suppression.json`, `simulator.json`.
        quantization: Quantizers and encodings.
        not_folded: Batch norms that could not be folded or were not to be, with the reason.
        batch_norms: Batch norms that are in the network after folding, but for those that the card keeps there.
        suppression: How to suppress outside of the graph; None to run the graph's own ops.
        simulator: Who runs the quantized network, `builtin` or the backend.
        computation: What computes networks.
        versions: Of what the backend is made of, by package.
        device: The integer model; None where none is asked for.
        network_folder: As `float_folder`, of what is quantized; None for the same.
    """

    float_folder: Path
    quantsim_folder: Path
    quantization: Quantization
    not_folded: Sequence[NotFolded]
    batch_norms: Sequence[str]
    suppression: Optional[Suppression]
    simulator: str
    computation: Computation = field(default_factory=Computation)
    versions: Mapping[str, str] = field(default_factory=dict)
    device: Optional[DeviceModel] = None
    network_folder: Optional[Path] = None

    @property
    def quantizers(self) -> Sequence[Quantizer]:
        """Every quantizer of the network, enabled or not."""
        return self.quantization.quantizers

    @property
    def encodings(self) -> Encodings:
        """The encodings of the enabled quantizers, by tensor name."""
        return self.quantization.encodings

    def graph_file(self, variant: str) -> Path:
        """The graph that a variant runs: the simulation, or the folded float graph, of which a device runs a part.

        `words.NETWORK` names the folded float graph that was quantized.
        """
        if variant == QUANTIZED:
            return self.quantsim_folder / "quantsim.pb"
        return (self.network_folder or self.float_folder if variant == NETWORK else self.float_folder) / "folded.pb"

    def graph(self, variant: str) -> tf.GraphDef:
        """Load a variant's graph."""
        return read_graph(self.graph_file(variant))

    def before_folding(self) -> Tuple[tf.GraphDef, Sequence[Folded]]:
        """Load the float graph that was quantized as it was before folding, and what was folded.

        Raises:
            StorageError: A file is missing or damaged.
        """
        folder = self.network_folder or self.float_folder
        try:
            folded = [Folded(**item) for item in read_json(folder / "fold.json")["folded"]]
        except (KeyError, TypeError) as error:
            raise StorageError(f"{folder}: damaged ({error}); delete it, it will be rebuilt") from error
        return read_graph(folder / "float.pb"), folded


def read(float_folder: Path, quantsim_folder: Path, network_folder: Optional[Path] = None) -> Artifacts:
    """Load the records of artifacts that `build` made.

    Args:
        float_folder: Of the float variant.
        quantsim_folder: Of the simulation.
        network_folder: Of the checkpoint that is quantized; None for the float variant's.

    Raises:
        StorageError: A file is missing or damaged.
    """
    try:
        quantizers = [Quantizer(**{**item, "symmetry": Symmetry(**item["symmetry"])})
                      for item in read_json(quantsim_folder / "quantizers.json")]
        folding = read_json((network_folder or float_folder) / "fold.json")
        not_folded = [NotFolded(**item) for item in folding["not_folded"]]
        batch_norms = [str(name) for name in folding["batch_norms"]]
        computed_by = read_json(quantsim_folder / SIMULATOR_FILE)
        simulator, table = str(computed_by["simulator"]), computed_by["table"]
        computation = Computation(str(computed_by["runtime"]), None if table is None else tuple(table))
        versions = dict(computed_by["versions"])
        encodings = encodings_file.read(quantsim_folder / "model.encodings",
                                        f"delete {quantsim_folder}, it will be rebuilt").all()
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{quantsim_folder}: damaged ({error}); delete it, it will be rebuilt") from error
    return Artifacts(float_folder, quantsim_folder, Quantization(quantizers, encodings), not_folded, batch_norms,
                     read_suppression(quantsim_folder / SUPPRESSION_FILE), simulator, computation, versions,
                     network_folder=network_folder)


def read_suppression(path: Path) -> Optional[Suppression]:
    """Load how to suppress outside of a graph; None to run the graph's own ops.

    Raises:
        StorageError: The file is missing or damaged.
    """
    record = read_json(path)
    try:
        return record and Suppression(Postprocessing(**record["postprocessing"]), int(record["total"]))
    except (KeyError, TypeError) as error:
        raise StorageError(f"{path.parent}: damaged ({error}); delete it, it will be rebuilt") from error


def read_graph(path: Path) -> tf.GraphDef:
    """Load a graph of the cache.

    Raises:
        StorageError: It is missing or damaged.
    """
    graph = tf.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf raises several kinds for damaged files
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be rebuilt") from error
    return graph


def read_json(path: Path) -> Any:
    """Load a JSON file of the cache.

    Raises:
        StorageError: It is missing or damaged.
    """
    try:
        return documents.read_json(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: not readable ({error}); delete {path.parent}, it will be rebuilt") from error
