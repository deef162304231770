"""Biases that take back what quantized weights shift the means of a layer's channels by.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2: rounding
weights is biased for each channel, and what it adds on average can be taken from the bias for nothing. How much that is
follows from calibration images (`correct_empirically`, which is AIMET's with a batch size of 1), or from the batch norm
in front of the layer (`correct_analytically`, without images).
"""

from dataclasses import dataclass, replace
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import progress
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.configuration import BIAS
from quant_accuracy.quantization.records import PARAM, Quantization
from quant_accuracy.repair.bias_correction import biases, channel_sums, corrections, layer_by_layer, statistics
from quant_accuracy.repair.bias_correction.biases import Layer, Layers, Left
from quant_accuracy.repair.bias_correction.layer_by_layer import Stage
from quant_accuracy.repair.bias_correction.statistics import Statistics

EMPIRICAL, ANALYTICAL = "empirical", "analytical"
_NO_WEIGHTS = "its weights are not quantized"


@dataclass(frozen=True)
class Correction:
    """A bias that was corrected.

    Attributes:
        layer: The convolution or dense op.
        bias: The Const that holds the bias.
        method: `empirical` or `analytical`.
        largest: The largest change of a channel.
    """

    layer: str
    bias: str
    method: str
    largest: float


@dataclass(frozen=True)
class Corrected:
    """A network whose biases are corrected.

    Attributes:
        graph: Its graph, with the names of the old one; float weights and new biases. Quantizers stay valid, but for
            encodings of biases and activations, which are to be calibrated anew.
        corrections: What was corrected, in the order in which the network runs.
        left: The layers whose biases stay as they are, and why.
    """

    graph: tf.GraphDef
    corrections: Sequence[Correction]
    left: Sequence[Left]

    def network(self, network: Network) -> Network:
        """The network with its new biases."""
        return replace(network, graph=self.graph)


def correct_empirically(network: Network, quantization: Quantization, image_input: str, batches: Sequence[Batch],
                        only: Optional[Collection[str]] = None, activations: bool = False,
                        reference: Optional[tf.GraphDef] = None) -> Corrected:
    """Correct each bias by the difference of means that calibration images show (appendix D).

    Layer after layer: each sees the quantized weights and the corrected biases of all layers before it. Measured is
    behind the BiasAdd and before what follows it. Biases themselves are not quantized meanwhile.

    Args:
        network: The folded network.
        quantization: Its quantizers, and encodings of at least the weights.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: Calibration images, as for `quantization.calibrate`.
        only: Which layers; None for all with quantized weights.
        activations: Have activations quantized, too; AIMET has them float.
        reference: The float graph whose means are wanted, where biases of the network were changed before; it has the
            same names.

    Raises:
        DataError: There are no images, or a channel is NaN or infinite.
        GraphError: A named op is missing, or the quantizers belong to another graph.
    """
    layers = biases.find(network)
    chosen, left = _chosen(layers, quantization)
    chosen = [layer for layer in chosen if only is None or layer.name in only]
    nodes = graph_nodes.by_name(layers.graph)
    old = {layer.output: graph_nodes.constant(nodes, layer.bias) for layer in chosen}
    channels = {layer.output: len(old[layer.output]) for layer in chosen}
    if not chosen:
        return Corrected(layers.graph, [], left)
    feeds = [layer_by_layer.fed(image_input, batch) for batch in batches]
    wanted = channel_sums.means(layers.graph if reference is None else reference, channels, feeds, "the float graph")
    quantized = simulate.simulate(layers.graph, _without_biases(quantization, activations))
    new: Dict[str, np.ndarray] = {}
    done: List[Correction] = []
    stages = [Stage(layer.name, layer.output) for layer in chosen]
    with layer_by_layer.running(quantized, stages, feeds, "the quantized graph") as run, \
            progress.counter(len(chosen), "layers", "repair: bias correction") as counter:
        for layer, stage in zip(chosen, stages):
            bias, before_bias = old[layer.output], list(run.run(f"{layer.name}:0"))
            means = channel_sums.means_of(f"{layer.output}:0", [values + bias for values in before_bias])
            new[layer.bias] = corrections.corrected(bias, means - wanted[layer.output])
            run.settle(stage, {layer.bias: new[layer.bias]}, (values + new[layer.bias] for values in before_bias))
            done.append(_correction(layer, EMPIRICAL, bias, new[layer.bias]))
            counter.update()
    return Corrected(biases.with_values(layers.graph, new), done, left)


def correct_analytically(network: Network, quantization: Quantization, known: Mapping[str, Statistics]) -> Corrected:
    """Correct each bias whose layer has the batch norm of another one in front, without images (section 4.2.1).

    Args:
        network: The folded network.
        quantization: Its quantizers, and encodings of at least the weights.
        known: Statistics of layers' outputs, by op, as `statistics.of_folded` reads them; where channels were scaled
            since, scaled with them.

    Raises:
        GraphError: A named op is missing, or the quantizers belong to another graph.
    """
    layers = biases.find(network)
    chosen, left = _chosen(layers, quantization)
    nodes = graph_nodes.by_name(layers.graph)
    on_grid = graph_nodes.by_name(simulate.quantize_weights(layers.graph, _without_biases(quantization, False)))
    new: Dict[str, np.ndarray] = {}
    done: List[Correction] = []
    for layer in chosen:
        node, old = nodes[layer.name], graph_nodes.constant(nodes, layer.bias)
        shift = _shift(node, graph_nodes.constant(nodes, layer.weights),
                       graph_nodes.constant(on_grid, layer.weights), statistics.of_tensor(nodes, node.input[0], known))
        if isinstance(shift, str):
            left.append(Left(layer.name, shift))
            continue
        new[layer.bias] = corrections.corrected(old, shift)
        done.append(_correction(layer, ANALYTICAL, old, new[layer.bias]))
    return Corrected(biases.with_values(layers.graph, new), done, left)


def correct(network: Network, quantization: Quantization, known: Mapping[str, Statistics], image_input: str,
            batches: Sequence[Batch]) -> Corrected:
    """Correct analytically where batch norms tell enough, and the others empirically, as AIMET would.

    Args:
        network: The folded network.
        quantization: Its quantizers, and encodings of at least the weights.
        known: As for `correct_analytically`.
        image_input: As for `correct_empirically`.
        batches: As for `correct_empirically`.

    Raises:
        DataError: There are no images, or a channel is NaN or infinite.
        GraphError: A named op is missing, or the quantizers belong to another graph.
    """
    first = correct_analytically(network, quantization, known)
    second = correct_empirically(first.network(network), quantization, image_input, batches,
                                 only=[item.layer for item in first.left], reference=network.graph)
    by_layer = {item.layer: item for item in (*first.corrections, *second.corrections)}
    order = [layer.name for layer in biases.find(network).found if layer.name in by_layer]
    return Corrected(second.graph, [by_layer[name] for name in order], second.left)


def _chosen(layers: Layers, quantization: Quantization) -> Tuple[List[Layer], List[Left]]:
    """The layers whose weights are quantized, and the others with the reason."""
    quantized = {quantizer.tensor for quantizer in quantization.enabled() if quantizer.kind == PARAM}
    left = [*layers.left, *(Left(layer.name, _NO_WEIGHTS) for layer in layers.found if layer.weights not in quantized)]
    return [layer for layer in layers.found if layer.weights in quantized], left


def _without_biases(quantization: Quantization, activations: bool) -> Quantization:
    """The quantization of weights alone, or of weights and activations."""
    return replace(quantization, quantizers=[
        replace(quantizer, enabled=quantizer.enabled and (activations if quantizer.kind != PARAM
                                                          else quantizer.role != BIAS))
        for quantizer in quantization.quantizers])


def _shift(node: tf.NodeDef, weights: np.ndarray, quantized: np.ndarray,
           before: Union[Statistics, str]) -> Union[np.ndarray, str]:
    if isinstance(before, str):
        return before
    if biases.transposed(node):
        weights, quantized = weights.T, quantized.T
    depthwise = node.op == biases.DEPTHWISE
    inputs = weights.shape[-2]
    if len(before.mean) != inputs:
        return f"it takes {inputs} values of {len(before.mean)} channels"
    return corrections.analytical_shift(weights, quantized, before.mean, depthwise)


def _correction(layer: Layer, method: str, old: np.ndarray, new: np.ndarray) -> Correction:
    return Correction(layer.name, layer.bias, method, float(np.abs(new.astype(np.float64) - old).max()))
