"""Model cards: what is known of a model before it is measured."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping

import yaml

from quant_accuracy.document import Section
from quant_accuracy.errors import ConfigurationError
from quant_accuracy.graph.names import GraphNames
from quant_accuracy.quantization import configuration as configurations
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import SCHEMES, TF, Override, Settings

FOLDER = Path(__file__).resolve().parent.parent / "models"
GATES = ("float_mAP_floor", "mAP_floor", "mAP_drop", "mAP_ratio")


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
        height: Image height that the network takes.
        width: Image width that the network takes.
        quantization: How it is quantized.
        calibration_images: How many images the encodings come from.
        gates: Limits by gate name.
        demo: Whether checkpoint and data are the embedded demo's, made on first use.
        data: Default data paths by key (checkpoint, dataset_dir, pattern, annotations), as far as given.
    """

    name: str
    graph: GraphNames
    height: int
    width: int
    quantization: Settings
    calibration_images: int
    gates: Mapping[str, float]
    demo: bool
    data: Mapping[str, str]


def load(name_or_path: str) -> ModelCard:
    """Read a model card by name (`models/<name>.yaml`) or by path.

    Raises:
        ConfigurationError: There is no such card, or it says something unknown or wrong.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = sorted(card.stem for card in FOLDER.glob("*.yaml"))
        raise ConfigurationError(f"{path}: no such model card; --model takes a path or one of "
                                 f"{', '.join(known)}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not YAML ({error}); repair the model card") from error
    return _read(Section(str(path), "", document, "the model card"), path.parent)


def _read(card: Section, folder: Path) -> ModelCard:
    card.only("name", "graph", "input", "quantization", "calibration", "gates", "data")
    name = card.text("name")
    if not re.fullmatch(r"[\w.-]+", name):
        raise card.error("name", f"is {name!r}; use letters, digits, '_', '.' and '-'")
    size = card.section("input").only("height", "width")
    data = card.section("data").only("demo", "checkpoint", "dataset_dir", "pattern", "annotations")
    calibration = card.section("calibration").only("images")
    return ModelCard(
        name=name,
        graph=_graph(card.section("graph")),
        height=size.number("height", 1, 4096),
        width=size.number("width", 1, 4096),
        quantization=_settings(card.section("quantization"), folder),
        calibration_images=calibration.number("images", 1, 100000, 50),
        gates=_gates(card.section("gates")),
        demo=bool(data.flag("demo")),
        data={key: data.text(key) for key in data.items() if key != "demo"},
    )


def _graph(section: Section) -> GraphNames:
    section.only("image_input", "starting_op", "output_ops", "detections")
    detections = section.section("detections").only("boxes", "scores", "classes", "count")
    return GraphNames(
        section.text("image_input", "image_tensor"),
        section.text("starting_op"),
        tuple(section.names("output_ops")),
        (detections.text("boxes", "detection_boxes"), detections.text("scores", "detection_scores"),
         detections.text("classes", "detection_classes"), detections.text("count", "num_detections")),
    )


def _settings(section: Section, folder: Path) -> Settings:
    section.only("scheme", "param_bitwidth", "output_bitwidth", "config", "overrides")
    scheme = section.text("scheme", TF)
    if scheme not in SCHEMES:
        raise section.error("scheme", f"is {scheme!r}; use {' or '.join(SCHEMES)}")
    configuration = Configuration()
    if "config" in section.items():
        # Relative to the card, so that both can be kept together.
        configuration = configurations.load(folder / section.text("config"))
    overrides = section.section("overrides").sections()
    return Settings(scheme, section.number("param_bitwidth", 2, 16, 8), section.number("output_bitwidth", 2, 16, 8),
                    configuration, tuple(_override(tensors, what) for tensors, what in overrides.items()))


def _override(tensors: str, section: Section) -> Override:
    section.only("bitwidth", "symmetric", "enabled")
    bitwidth = section.number("bitwidth", 2, 16) if "bitwidth" in section.items() else None
    return Override(tensors, bitwidth, section.flag("symmetric"), section.flag("enabled"))


def _gates(section: Section) -> Mapping[str, float]:
    section.only(*GATES)
    gates: Dict[str, float] = {}
    for gate, limit in section.items().items():
        if not isinstance(limit, (int, float)) or isinstance(limit, bool) or not -1.0 <= limit <= 2.0:
            raise section.error(gate, f"is {limit!r}; give a number")
        gates[gate] = float(limit)
    return gates
