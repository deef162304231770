"""Model cards: what is known of a model before it is measured."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import ConfigurationError, shown
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import TENSORFLOW
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.records import Settings
from quant_accuracy.settings import card_bases, card_fields, card_files, gates
from quant_accuracy.settings.card_bases import CardDocument
from quant_accuracy.settings.gates import KNOWN_FAILURES, Gate, KnownFailure

_DATA_KEYS = ("checkpoint", "dataset_dir", "pattern", "annotations")


@dataclass(frozen=True)
class DataPaths:
    """Where a model's checkpoint and data lie.

    Attributes:
        checkpoint: Prefix of the checkpoint's files.
        dataset_dir: Folder of the TFRecords.
        pattern: Glob pattern of the shards in that folder.
        annotations: COCO annotation file.
    """

    checkpoint: Path
    dataset_dir: Path
    pattern: str
    annotations: Path


@dataclass(frozen=True)
class ModelCard:
    """A model under test.

    Attributes:
        name: Names the model in test ids and reports.
        graph: Its ops.
        height: Image height that the network takes; `card_fields.ORIGINAL_SIZE` where images are given as they are.
        width: Image width that the network takes; likewise.
        quantization: How it is quantized.
        calibration_images: How many images the encodings come from.
        gates: Limits on the figures.
        assumptions: What the gates on placement and bit widths check.
        demo: Whether checkpoint and data are the embedded demo's, made on first use.
        data: Default data paths by key (checkpoint, dataset_dir, pattern, annotations), as far as given.
        part_of_annotations: Whether the annotations also hold images that the TFRecords leave out on purpose; then the
            data set is what the pattern takes, also where other files of a numbered set lie beside.
        given: How the card was named, for messages: its name in `models/`, or a path; empty for its own name.
        known_failed_checks: The checks that are known to fail, by name.
        runtime: What computes the network: `tensorflow`, `openvino`, or `auto`.
        device: Which integer model is made and measured besides, of `words.DEVICES`; None for none.
        quantized_checkpoint: Prefix of the checkpoint that is quantized in place of the float variant's, such as one
            that was repaired; None for the same.
    """

    name: str
    graph: GraphNames
    height: int
    width: int
    quantization: Settings
    calibration_images: int
    gates: Tuple[Gate, ...]
    assumptions: Assumptions
    demo: bool
    data: Mapping[str, str]
    part_of_annotations: bool = False
    given: str = ""
    known_failed_checks: Mapping[str, KnownFailure] = field(default_factory=dict)
    runtime: str = TENSORFLOW
    device: Optional[str] = None
    quantized_checkpoint: Optional[Path] = None

    def label(self) -> str:
        """The name with the bits of weights and activations: `ssd_mobilenet_v2_demo-w8a8`."""
        return f"{self.name}-w{self.quantization.param_bitwidth}a{self.quantization.output_bitwidth}"

    def compares(self) -> bool:
        """Whether a gate compares with a baseline, whose jitter is to be known then."""
        return any(gate.name in gates.OF_BASELINE for gate in self.gates)

    def known_failures(self) -> Dict[str, KnownFailure]:
        """The gates and checks that are known to fail, by name."""
        of_gates = {gate.name: gate.known_failure for gate in self.gates if gate.known_failure is not None}
        return {**of_gates, **self.known_failed_checks}


def load(name_or_path: str, folders: Sequence[Path] = (card_files.SHIPPED,)) -> ModelCard:
    """Read a model card.

    Args:
        name_or_path: The path of a `.yaml` file, or the name of one in a folder, without `.yaml`.
        folders: Where names are looked for; the first folder that has the card counts.

    Raises:
        ConfigurationError: There is no such card, or it says something unknown or wrong.
    """
    return read(card_bases.read(card_files.find(name_or_path, folders), folders), name_or_path)


def load_all(names: Sequence[str], folders: Sequence[Path] = (card_files.SHIPPED,)) -> List[ModelCard]:
    """Read model cards; names may be patterns, see `card_files.expand`.

    Raises:
        ConfigurationError: As `load`; or a pattern matches nothing, or two cards have one name.
    """
    found = [load(name, folders) for name in card_files.expand(names, folders)]
    every = [card.name for card in found]
    for card in found:
        same = [other.given for other in found if other.name == card.name]
        if len(same) > 1:
            files = "" if len(set(same)) == 1 else f" ({', '.join(dict.fromkeys(same))})"
            raise ConfigurationError(f"--model: {_count(every.count(card.name))} cards are named {card.name}{files}; "
                                     "give each model once, under its own name")
    return found


def _count(number: int) -> str:
    return "two" if number == 2 else str(number)


def read(document: CardDocument, given: str = "") -> ModelCard:
    """The model card that a document describes.

    Args:
        document: What the card and those that it builds on say.
        given: How the card was named.

    Raises:
        ConfigurationError: It says something unknown or wrong.
    """
    card = Section(str(document.path), "", document.content, "the model card", document.origins)
    card.only("base", "name", "graph", "input", "quantization", "assumptions", "calibration", "gates", KNOWN_FAILURES,
              "data", "runtime", "device")
    name = card.text("name")
    if not re.fullmatch(r"[\w.-]+", name):
        raise card.error("name", f"is {shown(name)}; use letters, digits, '_', '.' and '-'")
    height, width = card_fields.read_input(card.section("input"))
    data = card.section("data").only("demo", "part_of_annotations", *_DATA_KEYS)
    calibration = card.section("calibration").only("images")
    settings = card_fields.read_quantization(card.section("quantization"))
    return ModelCard(
        name=name,
        graph=card_fields.read_graph(card.section("graph")),
        height=height,
        width=width,
        quantization=settings,
        calibration_images=calibration.number("images", 1, 100000, 50),
        gates=gates.read(card.section("gates")),
        assumptions=card_fields.read_assumptions(card.section("assumptions"), settings),
        demo=bool(data.flag("demo")),
        data={key: data.text(key) for key in data.items() if key in _DATA_KEYS},
        part_of_annotations=bool(data.flag("part_of_annotations")),
        given=given,
        known_failed_checks=gates.read_known_failures(card.section(KNOWN_FAILURES)),
        runtime=card_fields.read_runtime(card),
        device=card_fields.read_device(card),
        quantized_checkpoint=card_fields.read_quantized_checkpoint(card.section("quantization")),
    )
