"""The one table of options, for the command lines, pytest, the environment and `pytest.ini`."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

from quant_accuracy.base.words import DEVICES, RELU6_WAYS, REMEDIES, RUNTIMES, SCHEMES
from quant_accuracy.settings import option_groups
from quant_accuracy.settings.converters import (
    bitwidth,
    choice,
    cluster,
    positive,
    remedies,
    report_forms,
    switch,
    time_in,
)

DEMO_CARD = "ssd_mobilenet_v2_demo"
REAL_CARD = "ssd_mobilenet_v2_coco"
# The activations of one image stay in a core's cache: larger batches were slower where it was measured.
DEFAULT_BATCH_SIZE = 1
DEFAULT_WHY_BUDGET = 10.0
DEFAULT_REPAIR_BUDGET = 30.0
DEFAULT_SEARCH_IMAGES = 500
# Where shards run.
LOCAL, PROCESSES, RAY = EXECUTORS = ("local", "processes", "ray")

ENVIRONMENT = "QUANT_ACCURACY_"
# pytest.ini has the same names in lower case.
INI = ENVIRONMENT.lower()
_ALIAS = "--quant-accuracy-"
MODEL = "model"


@dataclass(frozen=True)
class Option:
    """An option of the command lines and of pytest.

    Attributes:
        flag: As it is typed.
        convert: From text to value.
        purpose: What it is for, one line.
        metavar: What stands for the value in the help; empty for a switch, which takes no value.
        default: What holds where it is not given, in words; empty where that goes without saying.
        many: It may be given several times; the value is the list.
    """

    flag: str
    convert: Callable[[str], Any]
    purpose: str
    metavar: str
    default: str = ""
    many: bool = False

    def arguments(self) -> Dict[str, Any]:
        """How argparse and pytest declare it."""
        if not self.metavar:
            return {"action": "store_true", "default": None, "help": self.help}
        more = {"action": "append"} if self.many else {}
        return {"type": self.typed, "metavar": self.metavar, "help": self.help, **more}

    def typed(self, text: str) -> Any:
        """The value that was typed; nothing is no value, such as that of a variable of the shell that is not set.

        Raises:
            ValueError, argparse.ArgumentTypeError: The text is no value of the option.
        """
        if not text.strip():
            raise argparse.ArgumentTypeError(f"{text!r} is empty; give a value, or leave {self.flag} out")
        return self.convert(text)

    def read(self, text: str) -> Any:
        """The value that a setting outside of the command line has; of several, one word each.

        Raises:
            ValueError, argparse.ArgumentTypeError: The text is no such value.
        """
        return [self.convert(word) for word in text.split()] if self.many else self.convert(text.strip())

    @property
    def help(self) -> str:
        """What `--help` says of it."""
        return f"{self.purpose} (default: {self.default})" if self.default else self.purpose

    @property
    def key(self) -> str:
        """The name of the value in parsed options."""
        return self.flag.lstrip("-").replace("-", "_")

    @property
    def alias(self) -> str:
        """The flag that pytest knows besides, and that no other plugin takes."""
        return _ALIAS + self.flag.lstrip("-")

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return ENVIRONMENT + self.key.upper()

    @property
    def ini(self) -> str:
        """The setting of `pytest.ini`."""
        return INI + self.key


OPTIONS: Tuple[Option, ...] = (
    Option("--model", str, "model card: path of a .yaml file, or name of a card in models/ or of a shipped one; a "
           "pattern ('mine_*') selects all matches; may be repeated", "CARD", f"{DEMO_CARD}, the "
           f"embedded demo; {REAL_CARD} when a data path is given", many=True),
    Option("--model-checkpoint", Path, "checkpoint: prefix DIR/model.ckpt, one of its files, or a folder holding one "
           "checkpoint", "PREFIX", "the card's"),
    Option("--trust-checkpoint", switch, "run the checkpoint's graph even if it has ops that access files, network or "
           "Python, or ops not known to be harmless", ""),
    Option("--dataset-dir", Path, "folder of the TFRecord shards", "DIR", "the card's"),
    Option("--TFRecord-file-pattern", str, "glob of the shards in it, 'coco_val.record-*-of-00010'", "GLOB",
           "the card's"),
    Option("--annotation-json-file", Path, "COCO annotations, such as instances_val2017.json", "FILE", "the card's"),
    Option("--eval-batch-size", positive, "images per batch", "N", str(DEFAULT_BATCH_SIZE)),
    Option("--eval-num-examples", positive, "evaluate only the first N images", "N", "all"),
    Option("--calibration-images", positive, "images to calibrate on", "N", "the card's, 50"),
    Option("--quant-scheme", choice(*SCHEMES), "how encodings are computed: tf (min and max), tf_enhanced "
           "(histogram) or percentile", "SCHEME",
           "the card's, tf"),
    Option("--default-param-bw", bitwidth, "bit width of weights", "BITS", "the card's, 8"),
    Option("--default-output-bw", bitwidth, "bit width of activations", "BITS", "the card's, 8"),
    Option("--backend", choice("builtin", "aimet", "aimet-onnx", "auto"), "what places quantizers and "
           "computes encodings: builtin, aimet (the real 1.19), aimet-onnx (AIMET 2 for ONNX), or auto (aimet if "
           "installed)", "NAME", "builtin"),
    Option("--simulate", choice("builtin", "aimet", "aimet-onnx"), "what runs the quantized network", "NAME",
           "the backend"),
    Option("--runtime", choice(*RUNTIMES), "what computes the network: tensorflow, openvino (faster), or auto "
           "(openvino if installed and able to run the network)", "NAME", "the card's, tensorflow"),
    Option("--device", choice(*DEVICES), "also measure an integer model: tflite (TensorFlow's converter, TFLite's "
           "kernels) or openvino-int8", "NAME", "the card's, none"),
    Option("--spelled-out-batch-norms", choice("fold", "keep"), "batch norms written in plain ops: fold them, or "
           "keep each as one op, as AIMET does", "NAME", "the card's; kept, and batch_norms_folded is red"),
    Option("--quantsim-config", Path, "AIMET's quantizer configuration, JSON", "FILE", "the card's, AIMET's default"),
    Option("--load-encodings", Path, "load all encodings from this file instead of calibrating", "FILE"),
    Option("--load-param-encodings", Path, "load the encodings of weights from this file", "FILE"),
    Option("--shards", str, "evaluate only these shards: '0,3-5'", "LIST", "all"),
    Option("--shard-count", positive, "evaluate only the first N shards", "N", "all"),
    Option("--threads", positive, "cores to use", "N", "all; under xdist, each worker's share"),
    Option("--executor", choice(*EXECUTORS), "where shards run: local (this process), processes, or ray; refused under "
           "xdist, whose workers already share the shards", "NAME", LOCAL),
    Option("--jobs", positive, "processes or Ray actors that share the cores", "N", "one for each core"),
    Option("--ray-address", cluster, "Ray cluster: auto, HOST:PORT, or local to start one for this run", "ADDRESS",
           "local"),
    Option("--shard-timeout", time_in("seconds"), "kill a worker that takes longer for a shard, and retry the shard",
           "SECONDS", "never"),
    Option("--strict", switch, "treat inconclusive verdicts as failures", ""),
    Option("--jitter", switch, "measure the numerical jitter of the figures instead of reading the baseline's", ""),
    Option("--why-budget", time_in("minutes"), "time limit for explaining a red gate", "MINUTES",
           f"{DEFAULT_WHY_BUDGET:g}"),
    Option("--baseline-dir", Path, "folder of the committed baselines", "DIR", "baselines"),
    Option("--cache-dir", Path, "folder of cached artifacts and finished shards", "DIR", ".cache"),
    Option("--no-cache", switch, "recompute everything and cache nothing", ""),
    Option("--output-dir", Path, "folder to write results to", "DIR", "output"),
    Option("--history", Path, "append figures and provenance to this file, one line per run", "FILE"),
)
_QUANTSIM = Option("--quantsim-output-dir", Path, "export encodings, quantizers and the simulation graph to this "
                   "folder; several models get a subfolder each", "DIR")
_LEFT: Tuple[Option, ...] = (
    Option("--device-outputs", Path, "also measure a device from its raw outputs on a bundle (quant-accuracy "
           "device-bundle): the folder with its Result_<n>", "DIR"),
    Option("--device-detections", Path, "also measure a device from its detections in COCO's results format", "FILE"),
)
# These have a meaning for the report only.
REPORT_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--why", switch, "find which quantizers, classes and images cost accuracy, and which quantizers make a gate "
           "fail", ""),
    _QUANTSIM,
    *_LEFT,
)
# These have a meaning for the search for a repair only.
REPAIR_OPTIONS: Tuple[Option, ...] = (
    *(option for option in OPTIONS if option.key not in ("why_budget", "jitter")),
    Option("--remedies", remedies, f"what may be tried, some of {','.join(REMEDIES)}", "LIST", "all, in this order"),
    Option("--relu6", choice(*RELU6_WAYS), "what equalization does with a ReLU6: clip each channel where the 6 has "
           "gone, keep it and scale less, or replace it by a ReLU as AIMET does, which changes the float network",
           "NAME", "clip"),
    Option("--budget", time_in("minutes"), "minutes for the search; what is finished is kept", "MINUTES",
           f"{DEFAULT_REPAIR_BUDGET:g}"),
    Option("--search-images", positive, "how many images are enough to search on; what passes there is measured on all "
           "of them, and on shards that are held back", "N", str(DEFAULT_SEARCH_IMAGES)),
    Option("--exhaustive", switch, "go on when a repair is found, until nothing is left to be tried", ""),
)
# These have a meaning for the suite only.
SUITE_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--no-why", switch, "do not search for the quantizers that make a gate fail", ""),
    Option("--update-baselines", switch, "write new baselines and fail; refused under xdist and where CI is set", ""),
    Option("--report", report_forms, "also write reports to --output-dir: any of html,json,md", "FORMATS"),
    _QUANTSIM,
    *_LEFT,
)

# Measuring the jitter judges nothing, and neither does writing a bundle, which detects nothing either.
_JUDGING = ("strict", "jitter", "why_budget", "baseline_dir", "history")
_DETECTING = ("executor", "jobs", "ray_address", "shard_timeout", "threads", "output_dir")
JITTER_OPTIONS = tuple(option for option in OPTIONS if option.key not in (*_JUDGING, "device"))
BUNDLE_OPTIONS = tuple(option for option in OPTIONS if option.key not in (*_JUDGING, *_DETECTING))

# The options that a card's data paths and quantization settings have the same names for.
PATHS = {
    "checkpoint": "model_checkpoint",
    "dataset_dir": "dataset_dir",
    "pattern": "TFRecord_file_pattern",
    "annotations": "annotation_json_file",
}
SETTINGS = {
    "scheme": "quant_scheme",
    "param_bitwidth": "default_param_bw",
    "output_bitwidth": "default_output_bw",
    "backend": "backend",
    "simulator": "simulate",
    "spelled_out_batch_norms": "spelled_out_batch_norms",
}


def declare(parser: argparse.ArgumentParser, known: Sequence[Option] = OPTIONS) -> None:
    """Add options to a command line, below their headings."""
    by_key = {option.key: option for option in known}
    for heading, keys in option_groups.grouped(by_key).items():
        group = parser.add_argument_group(heading)
        for key in keys:
            group.add_argument(by_key[key].flag, dest=key, **by_key[key].arguments())
