"""The one table of options, for the command lines, pytest, the environment and `pytest.ini`."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Sequence, Tuple

from quant_accuracy.base.words import DEVICES, REMEDIES, RUNTIMES, SCHEMES
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
    Option("--model", str, "model card: the path of a .yaml file, or the name of one in models/ or of a shipped one; "
           "a pattern ('mine_*') takes all that match; several times for several models", "CARD", f"{DEMO_CARD}, the "
           f"embedded demo; {REAL_CARD} when a data path is given", many=True),
    Option("--model-checkpoint", Path, "checkpoint: its prefix DIR/model.ckpt, one of its files, or a folder with one "
           "checkpoint", "PREFIX", "the card's"),
    Option("--trust-checkpoint", switch, "also run a checkpoint's graph that holds ops which reach outside (files, "
           "network, Python), or are not known to be harmless", ""),
    Option("--dataset-dir", Path, "folder of the TFRecord shards", "DIR", "the card's"),
    Option("--TFRecord-file-pattern", str, "pattern of the shards there: 'coco_val.record-*-of-00010'", "GLOB",
           "the card's"),
    Option("--annotation-json-file", Path, "COCO annotations: instances_val2017.json", "FILE", "the card's"),
    Option("--eval-batch-size", positive, "images per batch", "N", str(DEFAULT_BATCH_SIZE)),
    Option("--eval-num-examples", positive, "evaluate only the first N images", "N", "all"),
    Option("--calibration-images", positive, "images that the encodings come from", "N", "the card's, 50"),
    Option("--quant-scheme", choice(*SCHEMES), "how encodings are made: tf, tf_enhanced or percentile", "SCHEME",
           "the card's, tf"),
    Option("--default-param-bw", bitwidth, "bits of weights", "BITS", "the card's, 8"),
    Option("--default-output-bw", bitwidth, "bits of activations", "BITS", "the card's, 8"),
    Option("--backend", choice("builtin", "aimet", "aimet-onnx", "auto"), "quantizer backend, which places "
           "quantizers and makes encodings: builtin, aimet (the real 1.19), aimet-onnx (AIMET 2, for ONNX), or auto: "
           "aimet where it is installed", "NAME", "builtin"),
    Option("--simulate", choice("builtin", "aimet", "aimet-onnx"), "what runs the quantized network", "NAME",
           "the backend"),
    Option("--runtime", choice(*RUNTIMES), "what computes the network: tensorflow; openvino, which is faster; or auto: "
           "openvino where it is installed and takes the network", "NAME", "the card's, tensorflow"),
    Option("--device", choice(*DEVICES), "also measure the integer model, run by integer kernels: tflite (made by "
           "TensorFlow's converter, run by TFLite), or openvino-int8", "NAME", "the card's, none"),
    Option("--spelled-out-batch-norms", choice("fold", "keep"), "fold batch norms that are written in plain ops, or "
           "keep each as one op, as AIMET does", "NAME", "the card's; kept, and named by the check on folding"),
    Option("--quantsim-config", Path, "AIMET's quantizer configuration, JSON", "FILE", "the card's, AIMET's default"),
    Option("--load-encodings", Path, "take all encodings from this file instead of calibrating", "FILE"),
    Option("--load-param-encodings", Path, "take the encodings of params from this file", "FILE"),
    Option("--shards", str, "evaluate only these shards: '0,3-5'", "LIST", "all"),
    Option("--shard-count", positive, "evaluate only the first N shards", "N", "all"),
    Option("--threads", positive, "cores to use", "N", "all; under xdist, the worker's share of all"),
    Option("--executor", choice(*EXECUTORS), "where shards run: local (this process), processes, or ray; refused under "
           "xdist, whose workers share the shards already", "NAME", LOCAL),
    Option("--jobs", positive, "processes, or actors of Ray, that share the cores", "N", "one for each core"),
    Option("--ray-address", cluster, "the Ray cluster: auto, HOST:PORT, or local for one of its own", "ADDRESS",
           "local"),
    Option("--shard-timeout", time_in("seconds"), "a worker that takes longer for a shard is killed, and the shard run "
           "again", "SECONDS", "never"),
    Option("--strict", switch, "an inconclusive verdict is as red as a failed one", ""),
    Option("--jitter", switch, "measure the numerical jitter of the figures, instead of taking the baseline's", ""),
    Option("--why-budget", time_in("minutes"), "minutes for finding out why a gate is red", "MINUTES",
           f"{DEFAULT_WHY_BUDGET:g}"),
    Option("--baseline-dir", Path, "where the committed baselines are", "DIR", "baselines"),
    Option("--cache-dir", Path, "where artifacts and finished shards are kept", "DIR", ".cache"),
    Option("--no-cache", switch, "make everything anew, and keep nothing", ""),
    Option("--output-dir", Path, "where results are written", "DIR", "output"),
    Option("--history", Path, "append a line with the figures and their provenance to this file", "FILE"),
)
_QUANTSIM = Option("--quantsim-output-dir", Path, "export encodings, quantizers and the simulation graph to this "
                   "folder (of several models, each to a folder of its own in it)", "DIR")
_LEFT: Tuple[Option, ...] = (
    Option("--device-outputs", Path, "also measure a device, by what it left of a bundle (quant-accuracy "
           "device-bundle): the folder with its Result_<n>", "DIR"),
    Option("--device-detections", Path, "also measure a device, by its detections in COCO's results format", "FILE"),
)
# These have a meaning for the report only.
REPORT_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--why", switch, "find out which quantizers, classes and images cost accuracy, and which quantizers are the "
           "culprits of a failed gate", ""),
    _QUANTSIM,
    *_LEFT,
)
# These have a meaning for the search for a repair only.
REPAIR_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--remedies", remedies, f"what may be tried, some of {','.join(REMEDIES)}", "LIST", "all, in this order"),
    Option("--budget", time_in("minutes"), "minutes for the search; what is finished is kept", "MINUTES",
           f"{DEFAULT_REPAIR_BUDGET:g}"),
    Option("--search-images", positive, "how many images are enough to search on; what passes there is measured on all "
           "of them, and on shards that are held back", "N", str(DEFAULT_SEARCH_IMAGES)),
    Option("--exhaustive", switch, "go on when a repair is found, until nothing is left to be tried", ""),
)
# These have a meaning for the suite only.
SUITE_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--no-why", switch, "do not look for the culprits of a failed gate on the quantized mAP", ""),
    Option("--update-baselines", switch, "write new baselines, and fail; refused under xdist and where CI is set", ""),
    Option("--report", report_forms, "also write reports to --output-dir: some of html,json,md", "FORMATS"),
    _QUANTSIM,
    *_LEFT,
)

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
    """Add options to a command line."""
    for option in known:
        parser.add_argument(option.flag, dest=option.key, **option.arguments())
