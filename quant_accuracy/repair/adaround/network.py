"""AdaRound of a whole network: each layer on what the layers before it give once they are rounded."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import files, progress
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import PARAM, Encoding, Encodings, Quantization
from quant_accuracy.repair.adaround import descent, observing, optimizing, pieces, rounding
from quant_accuracy.repair.adaround import layers as layer_finding
from quant_accuracy.repair.adaround.layers import Layer, LeftOut
from quant_accuracy.repair.adaround.observing import Pair
from quant_accuracy.repair.adaround.optimizing import Rows
from quant_accuracy.repair.adaround.pieces import Finished, Rounded
from quant_accuracy.repair.adaround.rounding import Grid, Schedule
from quant_accuracy.repair.bias_correction import biases, layer_by_layer

DESCENT, ADAM = "descent", "adam"


@dataclass(frozen=True)
class Options:
    """How AdaRound is done.

    Attributes:
        method: `descent` takes weights to their best places on the grid in turn; `adam` trains the paper's variables.
        sweeps: Of `descent`: the most turns of each weight.
        schedule: Of `adam`: how each layer is trained.
        factors: Of `descent`: what the step of a weight's grid may be multiplied by. A finer one clips some weights and
            rounds the others better.
        biases: Of `descent`: whether biases take their best values with the weights.
        positions: The most positions of an image that a layer is trained on.
        quantized_activations: Whether a layer is trained on activations that are quantized, as they will be, or on
            those of float (AIMET's).
        seed: Of positions and batches.
    """

    method: str = DESCENT
    sweeps: int = 12
    factors: Tuple[float, ...] = (1.0, 0.9, 0.8)
    schedule: Schedule = field(default_factory=Schedule)
    biases: bool = True
    positions: int = 512
    quantized_activations: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in (DESCENT, ADAM):
            raise ConfigurationError(f"method: {self.method!r} is no way to round; give {DESCENT} or {ADAM}")
        if self.sweeps < 1 or self.positions < 1:
            raise ConfigurationError(f"AdaRound cannot round in {self.sweeps} sweeps on {self.positions} positions of "
                                     "an image; give at least one of each")
        if not self.factors or min(self.factors) <= 0:
            raise ConfigurationError(f"factors: {self.factors} of a step; give at least one, each above 0")


@dataclass(frozen=True)
class Result:
    """A network after AdaRound.

    Attributes:
        graph: Its graph, the weights of rounded layers on their grids, where simulation leaves them as they are, and
            their new biases; ranges of activations are to be calibrated anew.
        encodings: All encodings, those of rounded weights with their new steps.
        layers: What was rounded, in the order in which the network runs.
        left_out: Quantized weights that stay as they were.
    """

    graph: tf.GraphDef
    encodings: Encodings
    layers: Sequence[Rounded]
    left_out: Sequence[LeftOut]


@dataclass(frozen=True)
class _Task:
    """What is the same for all layers.

    Attributes:
        graph: The float graph, each weight and bias with a constant of its own.
        quantization: The quantizers, and encodings of weights and activations.
        simulated: The graph with quantized activations, and the weights of float where a layer gets its own.
        feeds: What each batch feeds, by tensor.
        options: How it is done.
    """

    graph: tf.GraphDef
    quantization: Quantization
    simulated: tf.GraphDef
    feeds: Sequence[Mapping[str, np.ndarray]]
    options: Options


def adaround(network: Network, quantization: Quantization, image_input: str, batches: Sequence[Batch],
             options: Optional[Options] = None, folder: Optional[Path] = None,
             go_on: Callable[[], None] = lambda: None) -> Result:
    """Round the weights of each layer for its output on calibration images; encodings of activations stay.

    A layer takes what the network gives with all earlier layers rounded, and should give what it gives in the float
    network (the paper's asymmetric reconstruction, section 3.3).

    Args:
        network: The float network, batch norms folded.
        quantization: Its quantizers and their encodings.
        image_input: The placeholder of images; of no meaning where batches name their placeholders.
        batches: Calibration images, as for `calibrate.calibrate`.
        options: How it is done; the defaults if there are none.
        folder: Where finished layers are kept, so that a second call goes on; None keeps none.
        go_on: Called before each layer; what it raises ends this.

    Raises:
        GraphError: An op is missing, or the graph does not run.
        DataError: There are no images, or a tensor is NaN or infinite.
        StorageError: A finished layer cannot be kept, or cannot be read back.
    """
    options = options or Options()
    whole = biases.find(replace(network, graph=simulate.own_weights(network.graph, quantization))).graph
    layers, left = layer_finding.find(replace(network, graph=whole), quantization)
    feeds = [layer_by_layer.fed(image_input, batch) for batch in batches]
    task = _Task(whole, quantization, _simulated(whole, layers, quantization, options), feeds, options)
    origin = _origin(task) if folder is not None else ""
    nodes, stages = graph_nodes.by_name(whole), [layer_finding.stage(layer) for layer in layers]
    results: List[Rounded] = []
    values: Dict[str, np.ndarray] = {}
    encodings: Dict[str, Tuple[Encoding, ...]] = dict(quantization.encodings)
    with layer_by_layer.running(whole, stages, feeds, "the float graph") as wanted, \
            layer_by_layer.running(task.simulated, stages, feeds, "the quantized graph") as given, \
            progress.counter(len(layers), "layers", "repair: AdaRound") as shown:
        for layer, stage in zip(layers, stages):
            go_on()
            piece: Optional[Path] = None
            if folder is not None:
                piece = folder / f"{files.digest_value([origin, layer.name])[:32]}.npz"
            finished = pieces.kept(piece, layer)
            if finished is None:
                targets = list(wanted.run(layer.output))
                finished = _round(task, layer, map(Pair, given.run(_taken(task, layer)), targets))
                wanted.settle(stage, {}, targets)
                if piece is not None:
                    pieces.keep(piece, finished)
            new = {graph_nodes.constant_node(nodes, layer.quantizer.tensor).name: finished.weights}
            if layer.bias is not None and not _is_quantized(layer.bias, quantization):
                new[graph_nodes.constant_node(nodes, layer.bias).name] = finished.bias
            given.settle(stage, new)
            values.update(new)
            encodings.update(_encodings(quantization, layer, finished.factors))
            results.append(finished.result)
            shown.update(1)
    return Result(with_weights(whole, values), encodings, results, left)


def with_weights(graph: tf.GraphDef, weights: Mapping[str, np.ndarray]) -> tf.GraphDef:
    """A graph with other values of some constants.

    Args:
        graph: The graph.
        weights: Values by tensor, possibly behind Identity ops.

    Raises:
        GraphError: A tensor is missing or not constant.
    """
    nodes = graph_nodes.by_name(graph)
    values = {graph_nodes.constant_node(nodes, tensor).name: value for tensor, value in weights.items()}
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in values:
            old = tf.as_dtype(node.attr["dtype"].type).as_numpy_dtype
            node.CopyFrom(graph_nodes.const_node(node.name, values[node.name].astype(old)))
    return result


def _round(task: _Task, layer: Layer, pairs: Iterator[Pair]) -> Finished:
    """Round the weights of a layer, given what it takes and should give."""
    options, nodes = task.options, graph_nodes.by_name(task.graph)
    weights = layer_finding.weights_of(nodes, layer)
    outputs = weights.shape[2] * weights.shape[3] if layer.kind == layer_finding.DEPTHWISE else weights.shape[-1]
    bias = np.zeros(outputs, np.float32) if layer.bias is None else \
        graph_nodes.constant(nodes, layer.bias).astype(np.float32)
    rows = observing.observe(layer, pairs, bias, outputs, (weights.shape[0], weights.shape[1]), options.positions,
                             options.seed)

    def columns(values: np.ndarray) -> np.ndarray:
        return layer_finding.to_columns(np.broadcast_to(values, weights.shape), layer.kind)

    hard, new_bias, factors = _optimized(task, layer, columns, weights, rows)
    # To the last bit as simulation computes the grid, which then leaves them as they are.
    hard = layer_finding.from_columns(hard, layer.kind, weights.shape)
    scaled = Quantization([layer.quantizer], _encodings(task.quantization, layer, factors))
    found = _on_grid(with_weights(task.graph, {layer.quantizer.tensor: hard}), scaled, layer)
    nearest = _on_grid(task.graph, task.quantization, layer)
    loss = optimizing.error(replace(rows, bias=new_bias), columns(found))
    nearest_loss = optimizing.error(rows, columns(nearest))
    if loss >= nearest_loss:
        found, new_bias, factors, loss, scaled = nearest, bias, np.ones_like(factors), nearest_loss, task.quantization
    changed = int(np.sum(found != _on_grid(task.graph, scaled, layer)))
    return Finished(found, new_bias if layer.bias is not None else bias[:0], factors,
                    Rounded(layer.name, layer.quantizer.tensor, weights.size, changed, nearest_loss, loss))


def _optimized(task: _Task, layer: Layer, columns: Callable[[np.ndarray], np.ndarray], weights: np.ndarray,
               rows: Rows) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A layer's weights in columns, nearly on their grid, its bias, and the factor of each encoding's step."""
    options, encodings = task.options, task.quantization.encodings[layer.quantizer.tensor]
    whole = Grid.of(encodings, layer.quantizer.axis, weights.ndim)
    grid = Grid(columns(whole.scale), columns(whole.offset), whole.largest)
    if options.method == ADAM:
        alpha = optimizing.optimize(columns(weights), grid, rows, options.schedule, options.seed)
        return rounding.rounded(columns(weights), grid, alpha, hard=True), rows.bias, np.ones(len(encodings))
    free = options.biases and layer.bias is not None and not _is_quantized(layer.bias, task.quantization)
    shared = len(encodings) != len(rows.bias)
    found = descent.optimize(columns(weights), grid, rows, free, options.sweeps, options.factors, shared)
    return found.weights, found.bias, found.factors[:1].repeat(len(encodings)) if shared else found.factors


def _encodings(quantization: Quantization, layer: Layer, factors: np.ndarray) -> Dict[str, Tuple[Encoding, ...]]:
    """The encodings of a layer's weights, their steps multiplied by factors."""
    tensor = layer.quantizer.tensor
    return {tensor: tuple(
        replace(encoding, minimum=encoding.minimum * factor, maximum=encoding.maximum * factor,
                scale=encoding.scale * factor)
        for encoding, factor in zip(quantization.encodings[tensor], factors.tolist()))}


def _is_quantized(tensor: str, quantization: Quantization) -> bool:
    return any(quantizer.tensor == tensor for quantizer in quantization.enabled())


def _on_grid(graph: tf.GraphDef, quantization: Quantization, layer: Layer) -> np.ndarray:
    """A layer's weights as simulation puts them on their grid."""
    name = graph_nodes.op_of(layer.quantizer.tensor)
    alone = Quantization([layer.quantizer], quantization.encodings)
    quantized = simulate.quantize_weights(graph_nodes.subgraph(graph, [name]), alone)
    return layer_finding.weights_of(graph_nodes.by_name(quantized), layer)


def _simulated(graph: tf.GraphDef, layers: Sequence[Layer], quantization: Quantization,
               options: Options) -> tf.GraphDef:
    """The simulation in which layers have the weights of float, until they get their own."""
    own = {layer.quantizer.tensor for layer in layers}
    kept = [quantizer for quantizer in quantization.enabled() if quantizer.tensor not in own
            and (options.quantized_activations or quantizer.kind == PARAM)]
    return simulate.simulate(graph, Quantization(kept, quantization.encodings))


def _taken(task: _Task, layer: Layer) -> str:
    """The tensor that a layer takes in the simulation."""
    return graph_nodes.tensor_of(graph_nodes.by_name(task.simulated)[layer.name].input[0])


def _origin(task: _Task) -> str:
    """The digest of all that the first layer depends on, and with it each one behind."""
    fed = [sorted((name, str(value.dtype), list(value.shape), files.digest_bytes(np.ascontiguousarray(value).tobytes()))
                  for name, value in feed.items()) for feed in task.feeds]
    return files.digest_value([
        files.digest_bytes(task.graph.SerializeToString(deterministic=True)), fed, asdict(task.options),
        [asdict(quantizer) for quantizer in task.quantization.enabled()],
        {tensor: [asdict(encoding) for encoding in encodings]
         for tensor, encodings in task.quantization.encodings.items()},
        code_digest("graph", "quantization", "repair/adaround", "repair/bias_correction"), np.__version__,
        sessions.version()])
