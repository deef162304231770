"""A graph as a function from images to detections."""

import contextlib
from typing import Callable, Iterator, List, Mapping, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.detection import nms
from quant_accuracy.detection.nms import Detections
from quant_accuracy.detection.postprocessing import Postprocessing, Suppression
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.runtimes.execution import Execution, open_graph

# From uint8 [n, height, width, 3] images to the network's outputs.
NetworkRunner = Callable[[np.ndarray], Sequence[np.ndarray]]
# What a graph is given besides images: values by tensor name.
Feed = Mapping[str, np.ndarray]
# From uint8 [n, height, width, 3] images and what else the graph is given to the detections of each image.
GraphDetector = Callable[[np.ndarray, Feed], List[Detections]]


@contextlib.contextmanager
def open_detector(graph: tf.GraphDef, names: GraphNames, suppression: Optional[Suppression],
                  network: Optional[NetworkRunner] = None, label: str = "the graph",
                  execution: Optional[Execution] = None) -> Iterator[GraphDetector]:
    """Give a function from images to their detections; threads may share it.

    Args:
        graph: A frozen graph, float or quantized.
        names: The graph's inputs and outputs.
        suppression: How to suppress outside of the graph; None to run the graph's own ops.
        network: Runs the network elsewhere, from images to the outputs that `names` lists; the graph then does only
            what comes behind them.
        label: Which graph it is, for messages: `the float graph`.
        execution: Who computes the graph; None for TensorFlow.

    The function raises a GraphError where the graph cannot be run on the images, or gives NaN.
    """
    def feed(images: np.ndarray, more: Feed) -> Feed:
        outputs = network(images) if network is not None else []
        return {names.image_input + ":0": images, **more,
                **{f"{name}:0": value for name, value in zip(names.output_ops, outputs)}}

    execution = execution or Execution()
    if suppression is None:
        fetches = [name + ":0" for name in names.detections]
        with open_graph(execution, graph, fetches, label) as run:
            yield lambda images, more: _own_detections(label, names,
                                                       _numbers(label, fetches, run(feed(images, more))))
    else:
        fetches = [suppression.postprocessing.boxes, suppression.postprocessing.scores]
        # Most of the graph's ops are those of the suppression: without them its session starts sooner.
        needed = graph_nodes.subgraph(graph, [graph_nodes.op_of(tensor) for tensor in fetches])
        with open_graph(execution, needed, fetches, label) as run, \
                nms.open_suppression(_parameters(suppression)) as suppress:
            yield lambda images, more: [suppress(boxes[:, 0], scores)
                                        for boxes, scores in
                                        zip(*_numbers(label, fetches, run(feed(images, more))))]


def _numbers(label: str, tensors: Sequence[str], values: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """The values, after a check: what is NaN would be left out of the detections without a word."""
    for tensor, value in zip(tensors, values):
        wrong = np.flatnonzero(np.isnan(value).reshape(len(value), -1).any(axis=1))
        if len(wrong):
            raise GraphError(f"{label}: {tensor} is NaN for {len(wrong)} of {len(value)} images of a batch; a weight, "
                             "a constant or an encoding makes it so: train or export the checkpoint again, or leave "
                             "--load-encodings out")
    return values


def _own_detections(label: str, names: GraphNames, outputs: Sequence[np.ndarray]) -> List[Detections]:
    """From boxes [n, k, 4], scores [n, k], classes [n, k] and counts [n] to the detections of each image."""
    boxes, scores, classes, counts = outputs
    for name, value, wanted in zip(names.detections, outputs,
                                   ((*scores.shape[:2], 4), scores.shape[:2], scores.shape[:2], scores.shape[:1])):
        if value.shape != wanted:
            raise GraphError(f"{label}: {name} has the shape {list(value.shape)}, not {list(wanted)}; "
                             "correct detections in the model card: boxes, scores, classes and count, each under the "
                             "name of its op")
    return [Detections(boxes[i, :count], scores[i, :count], np.rint(classes[i, :count]).astype(np.int32))
            for i, count in enumerate(counts.astype(np.int64))]


def verified(graph: tf.GraphDef, names: GraphNames, postprocessing: Optional[Postprocessing],
             images: Sequence[np.ndarray]) -> Optional[Suppression]:
    """Check on images that suppression outside the graph gives the very detections of the graph's own ops.

    Args:
        graph: The frozen float graph.
        names: The graph's inputs and outputs.
        postprocessing: What `postprocessing.find` found.
        images: uint8 [1, height, width, 3] each.

    Returns:
        How to suppress outside of the graph, when the detections are equal to the last bit; None when they are not or
        there is nothing to check.
    """
    if postprocessing is None:
        return None
    # Both in one run: they differ in nothing but the suppression.
    fetches = [*(name + ":0" for name in names.detections), postprocessing.boxes, postprocessing.scores]
    with sessions.open_session(graph, "the float graph") as session:
        outputs = [session.run(fetches, {names.image_input + ":0": image}) for image in images]
    # The graph's own output is as long as there can be detections of an image.
    suppression = Suppression(postprocessing, int(outputs[0][1].shape[1]))
    with nms.open_suppression(_parameters(suppression)) as suppress:
        for *detections, boxes, scores in outputs:
            own, ours = _own_detections("the float graph", names, detections)[0], suppress(boxes[0, :, 0], scores[0])
            if not all(np.array_equal(a, b) for a, b in zip(own, ours)):
                return None
    return suppression


def _parameters(suppression: Suppression) -> nms.Parameters:
    before = suppression.postprocessing
    return nms.Parameters(before.iou_threshold, before.score_threshold, before.per_class, suppression.total)
