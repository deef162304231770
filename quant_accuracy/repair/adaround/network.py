"""AdaRound of a whole network: each layer on what the layers before it give once they are rounded."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import arrays, files, progress
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.errors import StorageError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantization
from quant_accuracy.repair.adaround import layers as layer_finding
from quant_accuracy.repair.adaround import observing, optimizing, rounding
from quant_accuracy.repair.adaround.layers import Layer, LeftOut
from quant_accuracy.repair.adaround.rounding import Grid, Schedule


@dataclass(frozen=True)
class Options:
    """How AdaRound is done.

    Attributes:
        schedule: How each layer is trained.
        positions: The most positions of an image that a layer is trained on.
        quantized_activations: Whether a layer is trained on activations that are quantized, as they will be, or on
            those of float (AIMET's).
        seed: Of positions and batches.
    """

    schedule: Schedule = field(default_factory=Schedule)
    positions: int = 128
    quantized_activations: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Rounded:
    """A layer that was rounded.

    Attributes:
        layer: The op that multiplies by its weights.
        tensor: Its weights.
        count: How many weights it has.
        changed: How many of them are rounded otherwise than to nearest.
        nearest_error: The reconstruction loss of rounding to nearest, on the rows that it was trained on.
        error: That of the result, which is never larger: where training found nothing better, nearest stays.
    """

    layer: str
    tensor: str
    count: int
    changed: int
    nearest_error: float
    error: float


_Finished = Tuple[np.ndarray, Rounded]
# What is kept of a finished layer.
_PIECE: Mapping[str, Any] = {"weights": np.float32, "changed": np.int64, "errors": np.float64}


@dataclass(frozen=True)
class Result:
    """A network after AdaRound.

    Attributes:
        graph: Its graph, the weights of rounded layers on their grids; simulation uses them as they are.
        layers: What was rounded, in the order in which the network runs.
        left_out: Quantized weights that stay as they were.
    """

    graph: tf.GraphDef
    layers: Sequence[Rounded]
    left_out: Sequence[LeftOut]


def adaround(network: Network, quantization: Quantization, image_input: str, batches: Sequence[Batch],
             options: Optional[Options] = None, folder: Optional[Path] = None,
             go_on: Callable[[], None] = lambda: None) -> Result:
    """Round the weights of each layer for its output on calibration images; all encodings stay.

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
    whole = simulate.own_weights(network.graph, quantization)
    layers, left = layer_finding.find(Network(whole, network.starts, network.outputs), quantization)
    results: List[Rounded] = []
    rounded: Dict[str, np.ndarray] = {}
    origin = _origin(whole, quantization, image_input, batches, options) if folder is not None else ""
    with sessions.open_session(whole, "the float graph") as session, \
            progress.counter(len(layers), "layers", "AdaRound") as shown:
        for layer in layers:
            go_on()
            piece: Optional[Path] = None
            if folder is not None:
                piece = folder / f"{files.digest_value([origin, layer.name])[:32]}.npz"
            weights, result = _kept(piece, layer) or _round(session, whole, rounded, layer, quantization, image_input,
                                                            batches, options, piece)
            rounded[layer.quantizer.tensor] = weights
            results.append(result)
            shown.update(1)
    return Result(with_weights(whole, rounded), results, left)


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


def _round(session: sessions.GraphSession, whole: tf.GraphDef, done: Mapping[str, np.ndarray], layer: Layer,
           quantization: Quantization, image_input: str, batches: Sequence[Batch], options: Options,
           piece: Optional[Path]) -> _Finished:
    """The rounded weights of a layer, and what became of it."""
    nodes = graph_nodes.by_name(whole)
    weights = layer_finding.weights_of(nodes, layer)
    outputs = weights.shape[2] * weights.shape[3] if layer.kind == layer_finding.DEPTHWISE else weights.shape[-1]
    bias = np.zeros(outputs, np.float32) if layer.bias is None else graph_nodes.constant(nodes, layer.bias)
    before, taken = _before(with_weights(whole, done), layer, quantization, options.quantized_activations)
    pairs = observing.pairs(session, before, layer, taken, image_input, batches)
    rows = observing.observe(layer, pairs, bias.astype(np.float32), outputs, (weights.shape[0], weights.shape[1]),
                             options.positions, options.seed)
    encodings, axis = quantization.encodings[layer.quantizer.tensor], layer.quantizer.axis
    grid = Grid.of(encodings, axis, weights.ndim)

    def columns(values: np.ndarray) -> np.ndarray:
        return layer_finding.to_columns(np.broadcast_to(values, weights.shape), layer.kind)

    alpha = optimizing.optimize(columns(weights), Grid(columns(grid.scale), columns(grid.offset), grid.largest), rows,
                                options.schedule, options.seed)
    alpha = layer_finding.from_columns(alpha, layer.kind, weights.shape)
    hard = rounding.rounded(weights, grid, alpha, hard=True)
    # To the last bit as simulation computes the grid, which then leaves them as they are.
    found = _on_grid(with_weights(whole, {layer.quantizer.tensor: hard}), quantization, layer)
    nearest = _on_grid(whole, quantization, layer)
    loss, nearest_loss = optimizing.error(rows, columns(found)), optimizing.error(rows, columns(nearest))
    if loss >= nearest_loss:
        found, loss = nearest, nearest_loss
    result = Rounded(layer.name, layer.quantizer.tensor, weights.size,
                     int(np.sum(np.abs(found - nearest) > grid.scale / 2)), nearest_loss, loss)
    if piece is not None:
        piece.parent.mkdir(parents=True, exist_ok=True)
        arrays.save(piece, {"weights": found, "changed": np.array(result.changed, np.int64),
                            "errors": np.array([result.nearest_error, result.error])})
    return found, result


def _on_grid(graph: tf.GraphDef, quantization: Quantization, layer: Layer) -> np.ndarray:
    """A layer's weights as simulation puts them on their grid."""
    name = graph_nodes.op_of(layer.quantizer.tensor)
    alone = Quantization([layer.quantizer], quantization.encodings)
    quantized = simulate.quantize_weights(graph_nodes.subgraph(graph, [name]), alone)
    return layer_finding.weights_of(graph_nodes.by_name(quantized), layer)


def _before(graph: tf.GraphDef, layer: Layer, quantization: Quantization,
            activations: bool) -> Tuple[tf.GraphDef, str]:
    """The simulation of what comes before a layer, and the tensor that the layer takes there."""
    part = graph_nodes.subgraph(graph, [graph_nodes.op_of(layer.input)])
    names = {node.name for node in part.node}
    kept = [quantizer for quantizer in quantization.enabled() if graph_nodes.op_of(quantizer.tensor) in names
            and (activations or quantizer.kind == PARAM)]
    needed = Quantization(kept, quantization.encodings)
    taken = {quantizer.tensor: f"{quantizer.name}:0" for quantizer in kept if quantizer.kind == ACTIVATION}
    return simulate.simulate(part, needed), taken.get(layer.input, layer.input)


def _origin(graph: tf.GraphDef, quantization: Quantization, image_input: str, batches: Sequence[Batch],
            options: Options) -> str:
    """The digest of all that the first layer depends on, and with it each one behind."""
    fed = [sorted((name, str(value.dtype), list(value.shape), files.digest_bytes(np.ascontiguousarray(value).tobytes()))
                  for name, value in observing.fed(batch, image_input).items()) for batch in batches]
    return files.digest_value([
        files.digest_bytes(graph.SerializeToString(deterministic=True)), fed, asdict(options),
        [asdict(quantizer) for quantizer in quantization.enabled()],
        {tensor: [asdict(encoding) for encoding in encodings] for tensor, encodings in quantization.encodings.items()},
        code_digest("graph", "quantization", "repair/adaround"), np.__version__, sessions.version()])


def _kept(piece: Optional[Path], layer: Layer) -> Optional[_Finished]:
    """What an earlier call made of a layer; None where there is nothing, or nothing whole."""
    if piece is None or not piece.is_file():
        return None
    try:
        found = arrays.load(piece, _PIECE, f"the rounded weights of {layer.name}")
    except StorageError as error:
        progress.say(f"warning: {error}")
        return None
    nearest, loss = found["errors"].tolist()
    weights = found["weights"]
    return weights, Rounded(layer.name, layer.quantizer.tensor, weights.size, int(found["changed"]), nearest, loss)
