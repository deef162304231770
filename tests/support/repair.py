"""What AIMET 1.19.1 repaired, and the network that it did it on."""

import json
from typing import Any, Dict, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.repair.equalization import layers
from tests.support.places import REFERENCE

FOLDER = REFERENCE / "aimet_repair"
START, OUTPUTS = "FeatureExtractor/MobilenetV2/MobilenetV2/input", ["concat", "concat_1"]
VECTORS = np.load(str(FOLDER / "vectors.npz"), allow_pickle=False)


def document(name: str) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


def images() -> List[np.ndarray]:
    """Twelve batches of one image: eight to calibrate, and four that are held out."""
    stored = np.load(str(REFERENCE / "aimet_network" / "images.npz"), allow_pickle=False)["images"]
    return [stored[number:number + 1] for number in range(len(stored))]


def badly_scaled(graph: tf.GraphDef) -> tf.GraphDef:
    """The float graph with channels between its layers scaled by powers of two from 1/16 to 16."""
    nodes, uses = graph_nodes.by_name(graph), graph_nodes.uses(graph.node)
    changed: Dict[str, np.ndarray] = {}
    bad = np.load(str(FOLDER / "bad_case.npz"), allow_pickle=False)
    for key in bad.files:
        first, last = key.split("|")
        factors = np.exp2(bad[key].astype(np.float32))
        (norm,) = [use.node for use in uses[first + ":0"] if use.node.op.startswith("FusedBatchNorm")]
        for reference, factor in ((norm.input[1], factors), (norm.input[2], factors),
                                  (nodes[last].input[1], 1 / factors.reshape([1, 1, -1, 1]))):
            name = graph_nodes.constant_node(nodes, reference).name
            changed[name] = changed.get(name, graph_nodes.constant(nodes, name)) * factor
    return layers.with_constants(graph, changed)


def run(graph: tf.GraphDef, fetches: Sequence[str], batches: Sequence[np.ndarray]) -> List[List[np.ndarray]]:
    """The values of some tensors, batch by batch."""
    with sessions.open_session(graph) as session:
        return [session.run([graph_nodes.tensor_of(name) for name in fetches], {"image_tensor:0": batch})
                for batch in batches]
