"""The fields of a model card: from the sections of its document to records."""

from dataclasses import replace
from pathlib import Path
from typing import Optional, Tuple

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import shown
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import DEVICES, RUNTIMES, TENSORFLOW
from quant_accuracy.quantization import configuration as configurations
from quant_accuracy.quantization.assumptions import Assumptions
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import FOLD, KEEP, SCHEMES, SHARE, TF, Override, Settings

# In place of a height and a width: images are given as they are, and the graph alone resizes them.
ORIGINAL_SIZE = 0
_SPELLED_OUT = "spelled_out_batch_norms"
_WHOLE, _PARAMS = _ENCODINGS = ("encodings", "param_encodings")


def read_graph(section: Section) -> GraphNames:
    """`graph`: the ops of the checkpoint's graph."""
    section.only("image_input", "starting_op", "output_ops", "detections")
    detections = section.section("detections").only("boxes", "scores", "classes", "count")
    return GraphNames(
        section.text("image_input", "image_tensor"),
        _starting_ops(section),
        tuple(section.names("output_ops")),
        (detections.text("boxes", "detection_boxes"), detections.text("scores", "detection_scores"),
         detections.text("classes", "detection_classes"), detections.text("count", "num_detections")),
    )


def _starting_ops(section: Section) -> Tuple[str, ...]:
    """One op, or a list of them as AIMET's `starting_op_names`."""
    value = section.get("starting_op")
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise section.error("starting_op", f"is {shown(value)}; give the name of an op, or a list of names")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise section.error("starting_op", f"names {shown(twice[0])} twice; give each op once")
    return tuple(names)


def read_input(section: Section) -> Tuple[int, int]:
    """`input`: the height and the width of images; `ORIGINAL_SIZE` where they are given as they are."""
    section.only("height", "width", "resize")
    if section.flag("resize") is False:
        if len(section.items()) > 1:
            raise section.error("resize", "is false beside height or width; leave these out, images are given as they "
                                "are")
        return ORIGINAL_SIZE, ORIGINAL_SIZE
    return section.number("height", 1, 4096), section.number("width", 1, 4096)


def read_runtime(card: Section) -> str:
    """`runtime`: what computes the network."""
    name = card.text("runtime", TENSORFLOW)
    if name not in RUNTIMES:
        raise card.error("runtime", f"is {shown(name)}; use {', '.join(RUNTIMES[:-1])} or {RUNTIMES[-1]}")
    return name


def read_device(card: Section) -> Optional[str]:
    """`device`: which integer model is measured besides; None where the card names none."""
    name = card.text("device") if "device" in card.items() else None
    if name is not None and name not in DEVICES:
        raise card.error("device", f"is {shown(name)}; use {' or '.join(DEVICES)}, or leave it out")
    return name


def read_quantization(section: Section) -> Settings:
    """`quantization`: how the network is quantized; the path of the configuration is taken as it stands."""
    section.only("scheme", "param_bitwidth", "output_bitwidth", "config", "overrides", "checkpoint", "percentile",
                 *_ENCODINGS, _SPELLED_OUT)
    scheme = section.text("scheme", TF)
    if scheme not in SCHEMES:
        raise section.error("scheme", f"is {shown(scheme)}; use {' or '.join(SCHEMES)}")
    configuration = Configuration()
    if "config" in section.items():
        configuration = configurations.load(Path(section.text("config")))
    overrides = section.section("overrides").sections()
    spelled_out = section.text(_SPELLED_OUT) if _SPELLED_OUT in section.items() else None
    if spelled_out not in (None, FOLD, KEEP):
        raise section.error(_SPELLED_OUT, f"is {shown(spelled_out)}; use {FOLD} or {KEEP}")
    percentile = section.real("percentile", 50.0, 100.0) if "percentile" in section.items() else SHARE
    return Settings(scheme, section.number("param_bitwidth", 2, 16, 8), section.number("output_bitwidth", 2, 16, 8),
                    configuration, tuple(_override(tensors, what) for tensors, what in overrides.items()),
                    _encodings(section), _PARAMS in section.items(),
                    spelled_out_batch_norms=spelled_out, percentile=percentile)


def read_quantized_checkpoint(section: Section) -> Optional[Path]:
    """`quantization.checkpoint`: what is quantized in place of the checkpoint that the float variant is of."""
    return checkpoint_parts.prefix(Path(section.text("checkpoint"))) if "checkpoint" in section.items() else None


def _encodings(section: Section) -> Optional[Path]:
    """The file that encodings are taken from instead of calibration; None where the card names none."""
    given = [key for key in _ENCODINGS if key in section.items()]
    if len(given) > 1:
        raise section.error(_PARAMS, f"is given beside {_WHOLE}, which takes params too; leave one of them out")
    if not given:
        return None
    path = Path(section.text(given[0]))
    if not path.is_file():
        raise section.error(given[0], f"is {shown(str(path))}, and there is no such file; give the model.encodings of "
                            "an export")
    return path


def _override(tensors: str, section: Section) -> Override:
    section.only("bitwidth", "symmetric", "enabled")
    bitwidth = section.number("bitwidth", 2, 16) if "bitwidth" in section.items() else None
    return Override(tensors, bitwidth, section.flag("symmetric"), section.flag("enabled"))


def read_assumptions(section: Section, settings: Settings) -> Assumptions:
    """`assumptions`: what the checks expect of a network that is quantized with these settings."""
    flags = ("symmetric_params", "symmetric_outputs", "biases", "inputs", "outputs")
    section.only(*flags)
    given = {name: section.flag(name) for name in flags}
    assumed = Assumptions(settings.param_bitwidth, settings.output_bitwidth, overrides=settings.overrides)
    return replace(assumed, **{name: value for name, value in given.items() if value is not None})
