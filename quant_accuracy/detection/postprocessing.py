"""Where a checkpoint's graph has its decoded boxes and scores, ready for suppression.

The Object Detection API suppresses image by image in a while loop, with one NonMaxSuppression op for each class. The
loop is found from those ops, and what flows into it is fetched instead of what comes out: `nms` does the rest. Whether
that gives the same detections is not believed but checked on images (`detector.verified`).
"""

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes

_SUPPRESSIONS = ("NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5")
_PASSING = ("Unpack", "Reshape", "Slice", "StridedSlice", "Identity")


@dataclass(frozen=True)
class Postprocessing:
    """The place before suppression, and its constants.

    Attributes:
        boxes: Tensor float32 [batch, n, 1, 4] of decoded boxes.
        scores: Tensor float32 [batch, n, classes].
        iou_threshold: Of the suppression ops.
        score_threshold: Of the suppression ops.
        per_class: Most detections of a class.
    """

    boxes: str
    scores: str
    iou_threshold: float
    score_threshold: float
    per_class: int


@dataclass(frozen=True)
class Suppression:
    """Suppression of overlaps outside of the graph that gives the very detections of the graph's own ops.

    Attributes:
        postprocessing: The place before suppression.
        total: Most detections of an image.
    """

    postprocessing: Postprocessing
    total: int


def find(graph: tf.GraphDef) -> Optional[Postprocessing]:
    """Find the per-class suppression of the Object Detection API; None when the graph has another form."""
    nodes = graph_nodes.by_name(graph)
    suppressions = [node for node in graph.node if node.op in _SUPPRESSIONS]
    writers = [node for node in graph.node if node.op == "TensorArrayScatterV3"]
    found: Dict[Postprocessing, int] = {}
    for node in suppressions:
        try:
            postprocessing = Postprocessing(
                boxes=_outside(nodes, writers, node.input[0]),
                scores=_outside(nodes, writers, node.input[1]),
                iou_threshold=float(graph_nodes.constant(nodes, node.input[3])),
                score_threshold=float(graph_nodes.constant(nodes, node.input[4])),
                per_class=_limit(nodes, node.input[2]),
            )
        except (GraphError, KeyError, IndexError):
            return None
        found[postprocessing] = found.get(postprocessing, 0) + 1
    # Each class must be suppressed alike, over the same boxes.
    return next(iter(found)) if len(found) == 1 else None


def _limit(nodes: Mapping[str, tf.NodeDef], reference: str) -> int:
    """The most detections of a class: a constant, or its minimum with the number of boxes."""
    node = nodes[graph_nodes.op_of(reference)]
    if node.op == "Minimum":
        return int(graph_nodes.constant(nodes, node.input[0]))
    return int(graph_nodes.constant(nodes, reference))


def _outside(nodes: Mapping[str, tf.NodeDef], writers: Sequence[tf.NodeDef], reference: str) -> str:
    """The tensor before the loop whose slices `reference` holds inside the loop."""
    node = nodes[graph_nodes.op_of(reference)]
    while node.op in _PASSING:
        node = nodes[graph_nodes.op_of(node.input[0])]
    if node.op != "TensorArrayReadV3":
        raise GraphError(f"{reference} comes from {node.op} {node.name!r}; the checkpoint's own suppression is used")
    array = nodes[graph_nodes.op_of(node.input[0])]
    while array.op in ("Enter", "Identity"):
        array = nodes[graph_nodes.op_of(array.input[0])]
    own = [writer for writer in writers if graph_nodes.op_of(writer.input[0]) == array.name]
    if len(own) != 1:
        raise GraphError(f"{array.name!r} is written {len(own)} times; the checkpoint's own suppression is used")
    return graph_nodes.tensor_of(own[0].input[2])

