"""Model cards: what is known of a model before it is measured."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import yaml

from quant_accuracy.errors import ConfigurationError
from quant_accuracy.quantization.records import SCHEMES, TF, Settings

FOLDER = Path(__file__).resolve().parent.parent / "models"
GATES = ("float_mAP_floor", "mAP_floor", "mAP_drop", "mAP_ratio")


@dataclass(frozen=True)
class GraphNames:
    """Ops of the checkpoint's graph.

    Attributes:
        image_input: Placeholder, uint8 [batch, height, width, 3].
        starting_op: Where the network begins; what comes before is preprocessing.
        output_ops: Where the network ends; what comes behind is post-processing.
        detections: Boxes, scores, classes and number of detections.
    """

    image_input: str
    starting_op: str
    output_ops: Tuple[str, ...]
    detections: Tuple[str, str, str, str]


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
    return _read(_Section(str(path), "", document))


class _Section:
    """A mapping of the card that knows where it stands, and whose keys are all asked for or refused."""

    def __init__(self, path: str, place: str, value: Any) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise ConfigurationError(f"{path}: {place or 'the card'} is not a mapping of names; repair the model card")
        self._path, self._place, self._value = path, place, value

    def only(self, *keys: str) -> "_Section":
        for key in self._value:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, n=1, cutoff=0.0)
                raise self.error(key, f"is unknown; did you mean {near[0]!r}?" if near else "is unknown; remove it")
        return self

    def error(self, key: str, problem: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: {self._place}{key} {problem}")

    def section(self, key: str) -> "_Section":
        return _Section(self._path, f"{self._place}{key}.", self._value.get(key) or {})

    def items(self) -> Dict[str, Any]:
        return dict(self._value)

    def get(self, key: str, default: Any = None) -> Any:
        value = self._value.get(key, default)
        if value is None:
            raise self.error(key, "is missing; add it to the model card")
        return value

    def text(self, key: str, default: Optional[str] = None) -> str:
        value = self.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"is {value!r}; give a text")
        return value

    def number(self, key: str, low: int, high: int, default: Optional[int] = None) -> int:
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, f"is {value!r}; give a whole number from {low} to {high}")
        return value


def _read(card: _Section) -> ModelCard:
    card.only("name", "graph", "input", "quantization", "calibration", "gates", "data")
    name = card.text("name")
    if not re.fullmatch(r"[\w.-]+", name):
        raise card.error("name", f"is {name!r}; use letters, digits, '_', '.' and '-'")
    size = card.section("input").only("height", "width")
    data = card.section("data").only("demo", "checkpoint", "dataset_dir", "pattern", "annotations")
    demo = data.get("demo", False)
    if not isinstance(demo, bool):
        raise data.error("demo", f"is {demo!r}; give true or false")
    calibration = card.section("calibration").only("images")
    return ModelCard(
        name=name,
        graph=_graph(card.section("graph")),
        height=size.number("height", 1, 4096),
        width=size.number("width", 1, 4096),
        quantization=_settings(card.section("quantization")),
        calibration_images=calibration.number("images", 1, 100000, 50),
        gates=_gates(card.section("gates")),
        demo=demo,
        data={key: data.text(key) for key in data.items() if key != "demo"},
    )


def _graph(section: _Section) -> GraphNames:
    section.only("image_input", "starting_op", "output_ops", "detections")
    outputs = section.get("output_ops")
    if not (isinstance(outputs, list) and outputs and all(isinstance(output, str) for output in outputs)):
        raise section.error("output_ops", f"is {outputs!r}; give a list of op names")
    detections = section.section("detections").only("boxes", "scores", "classes", "count")
    return GraphNames(
        section.text("image_input", "image_tensor"),
        section.text("starting_op"),
        tuple(outputs),
        (detections.text("boxes", "detection_boxes"), detections.text("scores", "detection_scores"),
         detections.text("classes", "detection_classes"), detections.text("count", "num_detections")),
    )


def _settings(section: _Section) -> Settings:
    section.only("scheme", "param_bitwidth", "output_bitwidth")
    scheme = section.text("scheme", TF)
    if scheme not in SCHEMES:
        raise section.error("scheme", f"is {scheme!r}; use {' or '.join(SCHEMES)}")
    return Settings(scheme, section.number("param_bitwidth", 2, 16, 8), section.number("output_bitwidth", 2, 16, 8))


def _gates(section: _Section) -> Mapping[str, float]:
    section.only(*GATES)
    gates: Dict[str, float] = {}
    for gate, limit in section.items().items():
        if not isinstance(limit, (int, float)) or isinstance(limit, bool) or not -1.0 <= limit <= 2.0:
            raise section.error(gate, f"is {limit!r}; give a number")
        gates[gate] = float(limit)
    return gates
