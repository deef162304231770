"""The options that the command lines and pytest share: typed, or set in the environment or in `pytest.ini`."""

import argparse
import contextlib
import os
import re
import shlex
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import REPORT_FORMS
from quant_accuracy.quantization.records import SCHEMES

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO_CARD = "ssd_mobilenet_v2_demo"
REAL_CARD = "ssd_mobilenet_v2_coco"
# The activations of one image stay in a core's cache: larger batches were slower where it was measured.
DEFAULT_BATCH_SIZE = 1
DEFAULT_WHY_BUDGET = 10.0
# Who runs the shards.
LOCAL, PROCESSES, RAY = EXECUTORS = ("local", "processes", "ray")


@dataclass(frozen=True)
class Option:
    """An option of the command lines and of pytest.

    Attributes:
        flag: As it is typed.
        convert: From text to value.
        help: One line; names the default.
        metavar: What stands for the value in the help; empty for a switch, which takes no value.
        many: It may be given several times; the value is the list.
    """

    flag: str
    convert: Callable[[str], Any]
    help: str
    metavar: str
    many: bool = False

    def arguments(self) -> Dict[str, Any]:
        """How argparse and pytest declare it."""
        if not self.metavar:
            return {"action": "store_true", "default": None, "help": self.help}
        more = {"action": "append"} if self.many else {}
        return {"type": self.convert, "metavar": self.metavar, "help": self.help, **more}

    def read(self, text: str) -> Any:
        """The value that a setting outside of the command line has; of several, one word each.

        Raises:
            ValueError, argparse.ArgumentTypeError: The text is no such value.
        """
        return [self.convert(word) for word in text.split()] if self.many else self.convert(text.strip())

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


def time_in(unit: str) -> Callable[[str], float]:
    """A converter that takes a time above zero, parts of a `unit` too."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit} above 0")
        return number

    return convert


def cluster(text: str) -> str:
    """Where a Ray cluster is: a word, or a host and a port."""
    if text not in ("auto", "local") and not re.fullmatch(r"[^:/\s]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no cluster; use auto, HOST:PORT or local")
    return text


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


def switch(text: str) -> bool:
    """What a switch is set to where it is not typed but set: yes or no, in the usual words."""
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return known[text.lower()]


def report_forms(text: str) -> Tuple[str, ...]:
    """The forms of a report, from a list such as `html,json`."""
    forms = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for form in forms:
        if form not in REPORT_FORMS:
            raise argparse.ArgumentTypeError(f"{form!r} is no form of a report; use some of {','.join(REPORT_FORMS)}")
    return forms


OPTIONS: Tuple[Option, ...] = (
    Option("--model", str, f"model card: a name in models/ or a path; several times for several models (default "
           f"{DEMO_CARD}, the embedded demo; {REAL_CARD} when --model-checkpoint is given)", "CARD", many=True),
    Option("--model-checkpoint", Path, "prefix of the checkpoint: DIR/model.ckpt", "PREFIX"),
    Option("--trust-checkpoint", switch, "also run a checkpoint's graph that holds ops which reach outside (files, "
           "network, Python), or are not known to be harmless", ""),
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
    Option("--spelled-out-batch-norms", choice("fold", "keep"), "fold batch norms that are written in plain ops, or "
           "keep each as one op, as AIMET does (default: the card's; kept, and named by the check on folding)", "NAME"),
    Option("--quantsim-config", Path, "AIMET's quantizer configuration, JSON (default: the card's, AIMET's default)",
           "FILE"),
    Option("--load-encodings", Path, "take all encodings from this file instead of calibrating", "FILE"),
    Option("--load-param-encodings", Path, "take the encodings of params from this file", "FILE"),
    Option("--shards", str, "evaluate only these shards: '0,3-5' (default all)", "LIST"),
    Option("--shard-count", positive, "evaluate only the first N shards (default all)", "N"),
    Option("--threads", positive, "cores to use (default: all; under xdist, the worker's share of all)", "N"),
    Option("--executor", choice(*EXECUTORS), "who runs the shards: local (this process), processes, or ray (default "
           "local); refused under xdist, whose workers share the shards already", "NAME"),
    Option("--jobs", positive, "processes, or actors of Ray, that share the cores (default: one for each core)", "N"),
    Option("--ray-address", cluster, "the Ray cluster: auto, HOST:PORT, or local for one of its own (default local)",
           "ADDRESS"),
    Option("--shard-timeout", time_in("seconds"), "a worker that takes longer for a shard is killed, and the shard run "
           "again (default: never)", "SECONDS"),
    Option("--strict", switch, "an inconclusive verdict is as red as a failed one", ""),
    Option("--jitter", switch, "measure the numerical jitter of the figures, instead of taking the baseline's", ""),
    Option("--why-budget", time_in("minutes"), "minutes for finding out why a gate is red "
           f"(default {DEFAULT_WHY_BUDGET:g})", "MINUTES"),
    Option("--baseline-dir", Path, "where the committed baselines are (default baselines)", "DIR"),
    Option("--cache-dir", Path, "where artifacts and finished shards are kept (default .cache)", "DIR"),
    Option("--no-cache", switch, "make everything anew, and keep nothing", ""),
    Option("--output-dir", Path, "where results are written (default output)", "DIR"),
    Option("--history", Path, "append a line with the figures and their provenance to this file", "FILE"),
)
_QUANTSIM = Option("--quantsim-output-dir", Path, "export encodings, quantizers and the simulation graph to this "
                   "folder (of several models, each to a folder of its own in it)", "DIR")
# These have a meaning for the report only.
REPORT_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--why", switch, "find out which quantizers, classes and images cost accuracy, and which quantizers are the "
           "culprits of a failed gate", ""),
    _QUANTSIM,
)
# These have a meaning for the suite only.
SUITE_OPTIONS: Tuple[Option, ...] = (
    *OPTIONS,
    Option("--no-why", switch, "do not look for the culprits of a failed gate on the quantized mAP", ""),
    Option("--update-baselines", switch, "write new baselines, and fail; refused under xdist and where CI is set", ""),
    Option("--report", report_forms, "also write reports to --output-dir: some of html,json,md", "FORMS"),
    _QUANTSIM,
)

ENVIRONMENT = "QUANT_ACCURACY_"
# pytest.ini has the same names in lower case.
INI = ENVIRONMENT.lower()

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


def settings(lookup: Callable[[str], Optional[str]], where: Callable[[str], str],
             known: Sequence[Option]) -> Dict[str, Any]:
    """The options that are set outside of the command line, by key.

    Args:
        lookup: From an option's key to its text; None or empty where it is not set.
        where: From an option's key to what is looked up, for messages.
        known: The options.

    Raises:
        ConfigurationError: A text is no value of its option.
    """
    found: Dict[str, Any] = {}
    for option in known:
        text = lookup(option.key)
        if text:
            try:
                found[option.key] = option.read(text)
            except (ValueError, argparse.ArgumentTypeError) as error:
                raise ConfigurationError(f"{where(option.key)}: {error}; correct or remove it") from error
    return found


def from_environment(known: Sequence[Option] = OPTIONS) -> Dict[str, Any]:
    """The options that environment variables set: `QUANT_ACCURACY_` and the option's name in capitals.

    Raises:
        ConfigurationError: A variable is no value of its option.
    """
    return settings(lambda key: os.environ.get(variable(key)), lambda key: f"environment variable {variable(key)}",
                    known)


def variable(key: str) -> str:
    """The environment variable of an option."""
    return ENVIRONMENT + key.upper()


@dataclass(frozen=True)
class Values:
    """The options of a run.

    Attributes:
        typed: Those of the command line, by key; None or missing means not given.
        set: Those of the environment and of `pytest.ini`, by key.
    """

    typed: Mapping[str, Any]
    set: Mapping[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """The value of an option; None where it is not given."""
        typed = self.typed.get(key)
        return self.set.get(key) if typed is None else typed

    def paths(self, demo: bool) -> Dict[str, Any]:
        """The data paths that are given, by the card's names; the demo takes only what is typed for it alone."""
        if demo and len(self.models()) > 1:
            return {}
        return {name: value for name, value in
                ((name, self.typed.get(key) if demo else self.get(key)) for name, key in PATHS.items())
                if value is not None}

    def models(self) -> Sequence[str]:
        """The names or paths of the model cards."""
        given: Optional[Sequence[str]] = self.get("model")
        if given:
            return given
        return [REAL_CARD if any(self.get(key) is not None for key in PATHS.values()) else DEMO_CARD]


def changes_card(values: Values) -> List[str]:
    """The options that make a run differ from what its model card says."""
    changed = changed_by_options(values)
    return [option.flag for option in OPTIONS if option.key in changed]


def changed_by_options(values: Values) -> Dict[str, str]:
    """What the options change of the model card, as text by the option's key."""
    keys = ("calibration_images", "quantsim_config", "load_encodings", "load_param_encodings", *SETTINGS.values())
    return {option.key: str(values.get(option.key)) for option in OPTIONS
            if option.key in keys and values.get(option.key) is not None}


def retyped(values: Values, model: str, demo: bool = False) -> str:
    """What was typed to say which model is measured on which data, for a command that the user is told to paste.

    Options that were set elsewhere still hold; those that change a card or leave images out say another thing.

    Args:
        values: The options.
        model: How the model card was named.
        demo: Whether the card is of the demo, which takes no paths where there are several models.
    """
    known = ("trust_checkpoint", *PATHS.values(), "eval_batch_size", "baseline_dir")
    paths = not (demo and len(values.models()) > 1)
    words = ["--model", model]
    for option in OPTIONS:
        value = values.typed.get(option.key)
        if option.key in known and value is not None and (paths or option.key not in PATHS.values()):
            words += [option.flag, str(value)] if option.metavar else [option.flag]
    return " ".join(map(shlex.quote, words))


def part_of_data(values: Values) -> List[str]:
    """The options that leave images out."""
    return [option.flag for option in OPTIONS
            if option.key in ("shards", "shard_count", "eval_num_examples") and values.get(option.key) is not None]


def why_budget(values: Values) -> float:
    """How many minutes finding out why may take."""
    return float(values.get("why_budget") or DEFAULT_WHY_BUDGET)


def output_folder(values: Values, model: str) -> Path:
    """Where the results of a model are written: with several models, each has a folder of its own."""
    return _of_model(Path(values.get("output_dir") or ROOT / "output"), values, model)


def quantsim_folder(values: Values, model: str) -> Optional[Path]:
    """Where the quantization simulation of a model is exported to, by the same rule; None where it is not."""
    given = values.get("quantsim_output_dir")
    return None if given is None else _of_model(Path(given), values, model)


def _of_model(folder: Path, values: Values, model: str) -> Path:
    return folder if len(values.models()) == 1 else folder / model


@contextlib.contextmanager
def cache_folder(values: Values) -> Iterator[Values]:
    """The options with a cache folder that is gone after the block, where `--no-cache` asks for that."""
    if not values.get("no_cache"):
        yield values
        return
    with tempfile.TemporaryDirectory(prefix="quant_accuracy.") as folder:
        yield replace(values, typed={**values.typed, "cache_dir": Path(folder)})
