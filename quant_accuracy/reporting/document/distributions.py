"""How the values of quantized tensors lie within their ranges: histograms, and ranges of a weight's channels."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.quantization.records import PARAM, Encoding, Quantizer

IMAGES = 4
BUCKETS = 48
# Ranges of more channels are drawn as those of so many neighbours each.
CHANNELS = 96


@dataclass(frozen=True)
class Distribution:
    """The values of a tensor: a weight's own, an activation's of the float network on a few calibration images.

    Attributes:
        tensor: The tensor.
        low: Its smallest value.
        high: Its largest value.
        shares: Share of the values in each of `BUCKETS` equal parts of low..high; they add up to 1.
        below: Share of the values below the range of the quantizer, whose tail is clipped.
        above: Share of the values above it.
        channels: Of a weight smallest and largest value by output channel, or by several neighbours; else empty.
    """

    tensor: str
    low: float
    high: float
    shares: Sequence[float]
    below: float
    above: float
    channels: Sequence[Tuple[float, float]]


def of_evaluation(evaluation: Evaluation) -> List[Distribution]:
    """The distribution of every tensor whose quantizer is on.

    Raises:
        DataError: An image cannot be read.
    """
    card, artifacts = evaluation.request.card, evaluation.artifacts
    count = min(IMAGES, card.calibration_images)
    return measure(artifacts.graph(FLOAT), artifacts.quantization.enabled(), artifacts.encodings,
                   card.graph.image_input, evaluation.prepared.calibration_images(count))


def as_document(found: Sequence[Distribution]) -> List[Dict[str, Any]]:
    """JSON-like, to as many digits as a drawing shows."""
    def short(value: float) -> float:
        return float(f"{value:.5g}")

    return [{**asdict(item), "low": short(item.low), "high": short(item.high), "below": short(item.below),
             "above": short(item.above), "shares": [short(share) for share in item.shares],
             "channels": [[short(low), short(high)] for low, high in item.channels]} for item in found]


def measure(graph: tf.GraphDef, quantizers: Sequence[Quantizer], encodings: Mapping[str, Sequence[Encoding]],
            image_input: str, images: Sequence[np.ndarray]) -> List[Distribution]:
    """The distributions of some quantizers' tensors.

    Args:
        graph: The frozen float graph, batch norms folded.
        quantizers: Those that are on.
        encodings: Their encodings, by tensor.
        image_input: The placeholder that takes images.
        images: uint8 [1, height, width, 3] each.
    """
    nodes, axes = graph_nodes.by_name(graph), _channel_axes(graph)
    tensors = [quantizer.tensor for quantizer in quantizers if quantizer.kind != PARAM]
    seen: Dict[str, List[np.ndarray]] = {tensor: [] for tensor in tensors}
    if tensors:
        needed = graph_nodes.subgraph(graph, list(map(graph_nodes.op_of, tensors)))
        with sessions.open_session(needed, "the float graph, on calibration images") as session:
            for image in images:
                for tensor, value in zip(tensors, session.run(tensors, {graph_nodes.tensor_of(image_input): image})):
                    seen[tensor].append(np.ravel(value))
    found = []
    for quantizer in quantizers:
        if quantizer.kind == PARAM:
            weight = graph_nodes.constant(nodes, quantizer.tensor)
            axis = quantizer.axis if quantizer.axis is not None else axes.get(graph_nodes.op_of(quantizer.tensor))
            found.append(_of_values(quantizer.tensor, np.ravel(weight), encodings[quantizer.tensor],
                                    _channels(weight, axis)))
        else:
            found.append(_of_values(quantizer.tensor, np.concatenate(seen.pop(quantizer.tensor)),
                                    encodings[quantizer.tensor], []))
    return found


def _of_values(tensor: str, values: np.ndarray, encodings: Sequence[Encoding],
               channels: Sequence[Tuple[float, float]]) -> Distribution:
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, BUCKETS, (low, high if high > low else low + 1.0))
    # Within half a step a value is rounded, not clipped. Of channels the widest range says what all have room for.
    start = min(encoding.minimum - encoding.scale / 2 for encoding in encodings)
    end = max(encoding.maximum + encoding.scale / 2 for encoding in encodings)
    return Distribution(tensor, low, high, (counts / values.size).tolist(), float((values < start).mean()),
                        float((values > end).mean()), channels)


def _channels(weight: np.ndarray, axis: Optional[int]) -> List[Tuple[float, float]]:
    """Smallest and largest value of each output channel; of very many of several neighbours together."""
    if axis is None:
        return []
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    lows, highs = rows.min(axis=1), rows.max(axis=1)
    parts = np.array_split(np.arange(len(lows)), min(CHANNELS, len(lows)))
    return [(float(lows[part].min()), float(highs[part].max())) for part in parts]


def _channel_axes(graph: tf.GraphDef) -> Dict[str, int]:
    """The axis of the output channels of each op that gives a weight, as TensorFlow lays weights out."""
    axes = {"Conv2D": 3, "DepthwiseConv2dNative": 2, "Conv2DBackpropInput": 2, "MatMul": 1}
    return {graph_nodes.op_of(node.input[1]): axes[node.op] for node in graph.node if node.op in axes}
