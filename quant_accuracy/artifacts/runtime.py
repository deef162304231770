"""Which runtime computes a network: the one that was asked for, if it takes the network."""

import functools
import re
from dataclasses import asdict
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Checkpoint, Computation, read_json
from quant_accuracy.base import files, progress
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import ConfigurationError, UnsupportedError
from quant_accuracy.base.words import AUTO, OPENVINO, TENSORFLOW
from quant_accuracy.graph import sessions
from quant_accuracy.runtimes import choice
from quant_accuracy.runtimes.contract import Runtime
from quant_accuracy.runtimes.execution import Execution, open_graph, preprocessing_table
from quant_accuracy.settings.card import ModelCard

_FILE = "runtime.json"
# What `auto` does already.
_REMEDY = re.compile(f"[;,] (?:or )?use --runtime {TENSORFLOW}")
# Sides of an image for a graph that takes any.
_ANY = 320


def settled(card: ModelCard, checkpoint: Checkpoint, cache: Cache) -> Computation:
    """What computes a card's network; where `auto` takes TensorFlow, one line says why.

    Raises:
        ConfigurationError: OpenVINO is asked for and is not installed, or does not take the network.
    """
    if card.runtime == TENSORFLOW:
        return Computation()
    try:
        refused, table = _tried(choice.of_name(OPENVINO), card, checkpoint, cache)
        if refused is None:
            return Computation(OPENVINO, table)
        raise ConfigurationError(f"--runtime {OPENVINO}: {refused}")
    except ConfigurationError as error:
        if card.runtime != AUTO:
            raise
        reason = _REMEDY.split(str(error).partition(": ")[2])[0]
        _say(f"runtime auto is {TENSORFLOW} here: {reason}")
        return Computation()


@functools.lru_cache(maxsize=None)
def _say(line: str) -> None:
    """Print a line once, however often artifacts are made."""
    progress.say(line)


def _tried(runtime: Runtime, card: ModelCard, checkpoint: Checkpoint,
           cache: Cache) -> Tuple[Optional[str], Optional[Tuple[float, ...]]]:
    """Why a runtime does not take a card's network, None where it does; and the table of `Computation`."""
    inputs = {"float": checkpoint.folder.name, "graph": asdict(card.graph), "size": [card.height, card.width],
              "runtime": runtime.identity, "tensorflow": sessions.version(), "code": code_digest("graph", "runtimes")}
    folder = cache.folder("runtime", inputs, f"trying {runtime.name}",
                          lambda folder: _try(folder, runtime, card, checkpoint.graph()))
    found = read_json(folder / _FILE)
    return found["refused"], found["table"] and tuple(found["table"])


def _try(folder: Path, runtime: Runtime, card: ModelCard, graph: tf.GraphDef) -> None:
    """Compute the network once, on a grey image, and keep what the runtime says against it."""
    names, refused, table, fixed = card.graph, None, None, bool(card.height)
    image = np.full([1, card.height or _ANY, card.width or _ANY, 3], 128, np.uint8)
    execution = Execution(runtime, names.starting_ops, names.output_ops, fixed)
    try:
        with open_graph(execution, graph, names.output_ops, "the float graph") as run:
            run({names.image_input: image})
    except UnsupportedError as error:
        refused = str(error)
    if refused is None and fixed:
        table = preprocessing_table(graph, execution, names.image_input, card.height, card.width)
    files.write_json(folder / _FILE, {"refused": refused, "table": None if table is None else table.tolist()})
