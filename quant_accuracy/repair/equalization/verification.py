"""Whether two graphs are one function: their outputs on the same images."""

from typing import Iterable, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import DataError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.repair.equalization import activations
from quant_accuracy.runtimes.execution import Execution, open_graph

# Some fifty layers of float32 sums, taken in another order of magnitude; a clip in another place is far above it.
ROUNDING = 2e-5


def difference(before: tf.GraphDef, after: tf.GraphDef, outputs: Sequence[str], image_input: str,
               batches: Iterable[Batch]) -> float:
    """The largest difference of an output, relative to the largest value that it has; NaN where there is one.

    Args:
        before: A frozen graph.
        after: Another one with the same inputs and outputs.
        outputs: The output ops.
        image_input: The placeholder that takes images; of no meaning where batches name their placeholders.
        batches: Images, as for `quantization.calibrate`.

    Raises:
        DataError: There are no images.
        GraphError: An op or an input is missing.
    """
    tensors = [graph_nodes.tensor_of(name) for name in outputs]
    largest, apart = np.zeros(len(tensors)), np.zeros(len(tensors))
    count = 0
    with open_graph(Execution(), graph_nodes.subgraph(before, outputs), tensors, "the float graph") as one, \
            open_graph(Execution(), graph_nodes.subgraph(after, outputs), tensors, "the equalized graph") as other:
        for batch in batches:
            feed = activations.feed(image_input, batch)
            expected, found = one(feed), other(feed)
            largest = np.maximum(largest, [np.abs(values).max() for values in expected])
            apart = np.maximum(apart, [np.abs(a.astype(np.float64) - b).max() for a, b in zip(expected, found)])
            count += 1
    if not count:
        raise DataError("there are no images to compare two graphs on; give at least one")
    return float((apart / np.where(largest > 0, largest, 1)).max())
