"""Model cards: what is known of a model before it is measured."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import yaml

from quant_accuracy.base.documents import Section, parsing, read_text
from quant_accuracy.base.errors import ConfigurationError, first_line, shown
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.quantization import configuration as configurations
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import FOLD, KEEP, SCHEMES, TF, Override, Settings

FOLDER = Path(__file__).resolve().parent.parent / "cards"
EXPECTED, CLASS_DROP, ENCODINGS_DRIFT = "float_mAP", "class_AP_drop", "encodings_drift"
CLASS_BASELINES = ("float_class_AP_baseline", "class_AP_baseline")
OF_BASELINE = ("float_mAP_baseline", "mAP_baseline", *CLASS_BASELINES)
FLOAT_BASELINES = ("float_mAP_baseline", "float_class_AP_baseline")
GATES = (EXPECTED, "float_mAP_floor", "mAP_floor", "mAP_drop", "mAP_ratio", CLASS_DROP, *OF_BASELINE, ENCODINGS_DRIFT)
# In place of a height and a width: images are given as they are, and the graph alone resizes them.
ORIGINAL_SIZE = 0
_JITTER = "jitter"
_SPELLED_OUT = "spelled_out_batch_norms"
# Characters; YAML takes long to read.
_LONGEST = 1 << 16


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
class Gate:
    """A limit on a figure.

    Attributes:
        name: One of `GATES`.
        limit: The limit; None where it follows from the numerical jitter.
        expected: What the figure should be, within the limit; None where the limit says all.
    """

    name: str
    limit: Optional[float]
    expected: Optional[float] = None


@dataclass(frozen=True)
class ModelCard:
    """A model under test.

    Attributes:
        name: Names the model in test ids and reports.
        graph: Its ops.
        height: Image height that the network takes; `ORIGINAL_SIZE` where images are given as they are.
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

    def label(self) -> str:
        """The name with the bits of weights and activations: `ssd_mobilenet_v2_demo-w8a8`."""
        return f"{self.name}-w{self.quantization.param_bitwidth}a{self.quantization.output_bitwidth}"


class _Loader(yaml.SafeLoader):
    """Reads YAML safely, and refuses a key that stands twice: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen: Dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands twice, in lines {seen[key.value]} and {line}", key.start_mark)
                seen[key.value] = line
        found: Dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def load(name_or_path: str, folders: Sequence[Path] = (FOLDER,)) -> ModelCard:
    """Read a model card by path, or by name from the first of the folders that has it.

    Raises:
        ConfigurationError: There is no such card, or it says something unknown or wrong.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        places = [folder / f"{name_or_path}.yaml" for folder in folders]
        path = next((place for place in places if place.is_file()), places[0])
    try:
        text = read_text(path)
        if len(text) > _LONGEST:
            raise ConfigurationError(f"{path}: holds {len(text)} characters, and a model card at most {_LONGEST}; "
                                     "name a model card")
        with parsing():
            document = _Loader(text).get_single_data()
    except FileNotFoundError as error:
        known = sorted({card.stem for folder in folders for card in folder.glob("*.yaml")})
        raise ConfigurationError(f"{path}: no such model card; --model takes the path of a .yaml file or one of "
                                 f"{', '.join(known)}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); let --model name a model card that "
                                 "can") from error
    except ConfigurationError:
        raise
    except Exception as error:  # PyYAML raises many kinds, also for numbers and dates that are none
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        said = first_line(error) if mark is None else f"line {mark.line + 1}: {problem}"
        raise ConfigurationError(f"{path}: not YAML ({said}); repair the model card") from error
    return replace(_read(Section(str(path), "", document, "the model card"), path.parent), given=name_or_path)


def _read(card: Section, folder: Path) -> ModelCard:
    card.only("name", "graph", "input", "quantization", "assumptions", "calibration", "gates", "data")
    name = card.text("name")
    if not re.fullmatch(r"[\w.-]+", name):
        raise card.error("name", f"is {shown(name)}; use letters, digits, '_', '.' and '-'")
    size = card.section("input").only("height", "width", "resize")
    original = size.flag("resize") is False
    if original and len(size.items()) > 1:
        raise size.error("resize", "is false beside height or width; leave these out, images are given as they are")
    paths = ("checkpoint", "dataset_dir", "pattern", "annotations")
    data = card.section("data").only("demo", "part_of_annotations", *paths)
    calibration = card.section("calibration").only("images")
    settings = _settings(card.section("quantization"), folder)
    return ModelCard(
        name=name,
        graph=_graph(card.section("graph")),
        height=ORIGINAL_SIZE if original else size.number("height", 1, 4096),
        width=ORIGINAL_SIZE if original else size.number("width", 1, 4096),
        quantization=settings,
        calibration_images=calibration.number("images", 1, 100000, 50),
        gates=_gates(card.section("gates")),
        assumptions=_assumptions(card.section("assumptions"), settings),
        demo=bool(data.flag("demo")),
        data={key: data.text(key) for key in data.items() if key in paths},
        part_of_annotations=bool(data.flag("part_of_annotations")),
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
    section.only("scheme", "param_bitwidth", "output_bitwidth", "config", "overrides", _SPELLED_OUT)
    scheme = section.text("scheme", TF)
    if scheme not in SCHEMES:
        raise section.error("scheme", f"is {shown(scheme)}; use {' or '.join(SCHEMES)}")
    configuration = Configuration()
    if "config" in section.items():
        # Relative to the card, so that both can be kept together.
        configuration = configurations.load(folder / section.text("config"))
    overrides = section.section("overrides").sections()
    spelled_out = section.text(_SPELLED_OUT) if _SPELLED_OUT in section.items() else None
    if spelled_out not in (None, FOLD, KEEP):
        raise section.error(_SPELLED_OUT, f"is {shown(spelled_out)}; use {FOLD} or {KEEP}")
    return Settings(scheme, section.number("param_bitwidth", 2, 16, 8), section.number("output_bitwidth", 2, 16, 8),
                    configuration, tuple(_override(tensors, what) for tensors, what in overrides.items()),
                    spelled_out_batch_norms=spelled_out)


def _override(tensors: str, section: Section) -> Override:
    section.only("bitwidth", "symmetric", "enabled")
    bitwidth = section.number("bitwidth", 2, 16) if "bitwidth" in section.items() else None
    return Override(tensors, bitwidth, section.flag("symmetric"), section.flag("enabled"))


def _assumptions(section: Section, settings: Settings) -> Assumptions:
    flags = ("symmetric_params", "symmetric_outputs", "biases", "inputs", "outputs")
    section.only(*flags)
    given = {name: section.flag(name) for name in flags}
    assumed = Assumptions(settings.param_bitwidth, settings.output_bitwidth, overrides=settings.overrides)
    return replace(assumed, **{name: value for name, value in given.items() if value is not None})


def _gates(section: Section) -> Tuple[Gate, ...]:
    section.only(*GATES)
    return tuple(_gate(section, name) for name in section.items())


def _gate(section: Section, name: str) -> Gate:
    if name == EXPECTED:
        both = section.section(name).only("expected", "within")
        return Gate(name, both.real("within", 0.0, 1.0), both.real("expected", 0.0, 1.0))
    if name in OF_BASELINE and section.items()[name] == _JITTER:
        return Gate(name, None)
    return Gate(name, section.real(name, -1.0, 2.0))
