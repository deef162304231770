"""A small network of two branches, each a convolution and a batch norm: what folding numbers can be mixed up in it."""

from dataclasses import replace
from pathlib import Path
from typing import Dict, NamedTuple, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, encodings_file, export, placement
from quant_accuracy.quantization.records import Quantization, Settings
from quant_accuracy.quantization.same_tensors import Tensors
from tests.support.aimet_stand_in.aimet_tensorflow.batch_norm_fold import numbers_reversed, renamed

_PLAIN = Settings()
NAMES = GraphNames("images", ("start",), ("end",), ("end", "end", "end", "end"))
BATCHES = [np.random.RandomState(7).randint(0, 256, [2, 8, 8, 3]).astype(np.uint8)]


class Branches(NamedTuple):
    """The network, folded and quantized here.

    Attributes:
        prefix: Its checkpoint.
        network: As it is folded here.
        quantization: Its quantizers and encodings.
    """

    prefix: Path
    network: Network
    quantization: Quantization

    def added(self, way: str) -> str:
        """The output of the BiasAdd that folding has made behind the convolution of a branch."""
        return _found(Tensors(self.network.graph).bias_of(f"{way}/Conv2D", False))

    def bias(self, way: str) -> str:
        """The bias that folding has made there."""
        return _found(Tensors(self.network.graph).bias_of(f"{way}/Conv2D", True))


def _found(tensor: Optional[str]) -> str:
    assert tensor is not None
    return tensor


def make(folder: Path, seed: int = 0, settings: Settings = _PLAIN, channels: int = 4) -> Branches:
    """Write the checkpoint of such a network with random weights, and quantize it."""
    prefix = _checkpoint(folder / "model.ckpt", seed, channels)
    graph = load.load_frozen(prefix, NAMES.output_ops)
    network = Network.of(fold.fold_batch_norms(Network.of(graph, NAMES)).graph, NAMES)
    quantizers = placement.place_quantizers(network, settings)
    return Branches(prefix, network, calibrate.calibrate(network.graph, quantizers, settings, "images", BATCHES))


def _checkpoint(prefix: Path, seed: int, channels: int) -> Path:
    random = np.random.RandomState(seed)

    def variable(name: str, low: float, high: float, *shape: int) -> tf.Variable:
        return tf.get_variable(name, initializer=random.uniform(low, high, shape).astype(np.float32),
                               use_resource=False)

    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images")
        start = tf.identity(tf.cast(images, tf.float32) / 128.0 - 1.0, name="start")
        ways = []
        for way in ("a", "b", "c"):
            with tf.variable_scope(way):
                conv = tf.nn.conv2d(start, variable("weights", -1, 1, 3, 3, 3, channels), 1, "SAME", name="Conv2D")
                params = [variable(name, low, high, channels) for name, low, high in (
                    ("gamma", 0.5, 2), ("beta", -3, 3), ("mean", -1, 1), ("variance", 0.5, 2))]
                norm = tf.nn.fused_batch_norm(conv, *params, is_training=False, name="norm")[0]
                ways.append(tf.nn.relu(norm, name="Relu") if way == "c" else norm)
        tf.concat(ways, 3, name="end")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(prefix))
    return prefix


def write_export(branches: Branches, folder: Path, permuted: bool = False) -> Path:
    """Write the export of the network; `permuted` numbers its new biases from the end, in the graph and the encodings.

    Returns:
        The encodings.
    """
    graph, quantization = branches.network.graph, branches.quantization
    if permuted:
        names = numbers_reversed(graph)
        graph, quantization = renamed(graph, names), _renamed(quantization, names)
    folder.mkdir()
    export.write_checkpoint(graph, folder)
    encodings_file.write(folder / "model.encodings", quantization)
    return folder / "model.encodings"


def _renamed(quantization: Quantization, names: Dict[str, str]) -> Quantization:
    def tensor(name: str) -> str:
        first = name.split("/")[0].split(":")[0]
        return names.get(first, first) + name[len(first):]

    return Quantization([replace(q, tensor=tensor(q.tensor)) for q in quantization.quantizers],
                        {tensor(name): found for name, found in quantization.encodings.items()})
