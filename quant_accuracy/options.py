"""The options that the command lines and pytest share, and what they ask for together with a model card."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from quant_accuracy import card as cards
from quant_accuracy.cache import Cache
from quant_accuracy.card import DataPaths, ModelCard
from quant_accuracy.errors import ConfigurationError
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.records import SCHEMES, Settings
from quant_accuracy.request import Request

ROOT = Path(__file__).resolve().parent.parent
DEMO_CARD = "ssd_mobilenet_v2_demo"
REAL_CARD = "ssd_mobilenet_v2_coco"
# The activations of one image stay in a core's cache: larger batches were slower where it was measured.
DEFAULT_BATCH_SIZE = 1


@dataclass(frozen=True)
class Option:
    """An option of the command lines and of pytest.

    Attributes:
        flag: As it is typed.
        convert: From text to value.
        help: One line; names the default.
        metavar: What stands for the value in the help; empty for a switch, which takes no value.
    """

    flag: str
    convert: Callable[[str], Any]
    help: str
    metavar: str

    def arguments(self) -> Dict[str, Any]:
        """How argparse and pytest declare it."""
        if not self.metavar:
            return {"action": "store_true", "default": None, "help": self.help}
        return {"type": self.convert, "metavar": self.metavar, "help": self.help}

    @property
    def key(self) -> str:
        """The name of the value in parsed options."""
        return self.flag.lstrip("-").replace("-", "_")


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.strip().isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def choice(*names: str) -> Callable[[str], str]:
    """A converter that takes these names only."""

    def convert(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is unknown; use {' or '.join(names)}")
        return text

    return convert


def bitwidth(text: str) -> int:
    """A bit width that can be simulated."""
    if not text.strip().isdigit() or not 2 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a bit width from 2 to 16")
    return int(text)


OPTIONS: Tuple[Option, ...] = (
    Option("--model", str, f"model card: a name in models/ or a path (default {DEMO_CARD}, the embedded demo; "
           f"{REAL_CARD} when --model-checkpoint is given)", "CARD"),
    Option("--model-checkpoint", Path, "prefix of the checkpoint: DIR/model.ckpt", "PREFIX"),
    Option("--dataset-dir", Path, "folder of the TFRecord shards", "DIR"),
    Option("--TFRecord-file-pattern", str, "pattern of the shards there: 'coco_val.record-*-of-00010'", "GLOB"),
    Option("--annotation-json-file", Path, "COCO annotations: instances_val2017.json", "FILE"),
    Option("--eval-batch-size", positive, f"images per batch (default {DEFAULT_BATCH_SIZE})", "N"),
    Option("--eval-num-examples", positive, "evaluate only the first N images (default all)", "N"),
    Option("--calibration-images", positive, "images that the encodings come from (default: the card's, 50)", "N"),
    Option("--quant-scheme", choice(*SCHEMES), "how encodings are made: tf or tf_enhanced (default: the card's, tf)",
           "SCHEME"),
    Option("--default-param-bw", bitwidth, "bits of weights (default: the card's, 8)", "BITS"),
    Option("--default-output-bw", bitwidth, "bits of activations (default: the card's, 8)", "BITS"),
    Option("--backend", choice("builtin", "aimet", "auto"), "who places quantizers and makes encodings: builtin, aimet "
           "(the real one), or auto: aimet where it is installed (default builtin)", "NAME"),
    Option("--simulate", choice("builtin", "aimet"), "who runs the quantized network (default: the backend)", "NAME"),
    Option("--quantsim-config", Path, "AIMET's quantizer configuration, JSON (default: the card's, AIMET's default)",
           "FILE"),
    Option("--load-encodings", Path, "take all encodings from this file instead of calibrating", "FILE"),
    Option("--load-param-encodings", Path, "take the encodings of params from this file", "FILE"),
    Option("--shards", str, "evaluate only these shards: '0,3-5' (default all)", "LIST"),
    Option("--strict", bool, "an inconclusive verdict is as red as a failed one", ""),
    Option("--cache-dir", Path, "where artifacts and finished shards are kept (default .cache)", "DIR"),
    Option("--output-dir", Path, "where results are written (default output)", "DIR"),
)

_PATHS = {
    "checkpoint": "model_checkpoint",
    "dataset_dir": "dataset_dir",
    "pattern": "TFRecord_file_pattern",
    "annotations": "annotation_json_file",
}
_SETTINGS = {
    "scheme": "quant_scheme",
    "param_bitwidth": "default_param_bw",
    "output_bitwidth": "default_output_bw",
    "backend": "backend",
    "simulate": "simulate",
}


def resolve(values: Mapping[str, Any], demo: Callable[[Cache], DataPaths]) -> Tuple[Request, Cache]:
    """What the options and the model card ask for.

    Args:
        values: Parsed options by key; None or missing means not given.
        demo: Makes the embedded demo ready, called when the card wants it.

    Raises:
        ConfigurationError: The card cannot be used, or something is given neither by an option nor by the card.
    """
    given = _given_paths(values)
    card = chosen_card(values)
    cache = Cache(Path(values.get("cache_dir") or ROOT / ".cache"))
    data = _data_paths(card, given, lambda: demo(cache))
    request = Request(card, data, values.get("eval_batch_size") or DEFAULT_BATCH_SIZE, values.get("shards"),
                      values.get("eval_num_examples"))
    return request, cache


def chosen_card(values: Mapping[str, Any]) -> ModelCard:
    """The model card that the options choose, with what they change in it.

    Raises:
        ConfigurationError: The card cannot be used.
    """
    card = cards.load(values.get("model") or (REAL_CARD if _given_paths(values) else DEMO_CARD))
    if values.get("calibration_images"):
        card = replace(card, calibration_images=values["calibration_images"])
    return replace(card, quantization=_settings(card.quantization, values))


def _settings(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The card's settings with what the options change in them."""
    changed: Dict[str, Any] = {name: values[option] for name, option in _SETTINGS.items() if values.get(option)}
    if values.get("quantsim_config"):
        changed["configuration"] = configuration.load(Path(values["quantsim_config"]))
    whole, params = values.get("load_encodings"), values.get("load_param_encodings")
    if whole and params:
        raise ConfigurationError("--load-encodings takes params too; leave --load-param-encodings out")
    given = whole or params
    if given:
        if not Path(given).is_file():
            raise ConfigurationError(f"{given}: no such encodings file; give the model.encodings of an export")
        changed.update(encodings_file=Path(given), params_only=given == params)
    return replace(settings, **changed)


def _given_paths(values: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: values[option] for key, option in _PATHS.items() if values.get(option) is not None}


def output_folder(values: Mapping[str, Any]) -> Path:
    """Where results are written."""
    return Path(values.get("output_dir") or ROOT / "output")


def _data_paths(card: ModelCard, given: Mapping[str, Any], demo: Callable[[], DataPaths]) -> DataPaths:
    if card.demo and not given:
        return demo()
    known: Dict[str, Optional[Any]] = {key: given.get(key, card.data.get(key)) for key in _PATHS}
    missing = [f"--{_PATHS[key].replace('_', '-')}" for key, value in known.items() if value is None]
    if missing:
        raise ConfigurationError(f"{card.name}: neither an option nor the model card says where its data lies; "
                                 f"give {', '.join(missing)}")
    return DataPaths(Path(str(known["checkpoint"])), Path(str(known["dataset_dir"])), str(known["pattern"]),
                     Path(str(known["annotations"])))
