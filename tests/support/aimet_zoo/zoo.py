"""All networks of the zoo, and their checkpoints.

`python -m tests.support.aimet_zoo.zoo FOLDER` writes FOLDER/<network>/model.ckpt and FOLDER/<network>/ends.json, which
names its starting ops and output ops: what AIMET is run on.
"""

import json
import sys
import zlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo import (
    activations,
    batch_norms_before,
    batch_norms_behind,
    convolutions,
    ends,
    joins,
    normalizations,
    phases,
    shapes,
)
from tests.support.aimet_zoo.building import Ends, ZooNetwork, declared_in

KINDS: Mapping[str, Mapping[str, ZooNetwork]] = {
    "Batch norms behind a layer": declared_in(batch_norms_behind),
    "Batch norms before a layer": declared_in(batch_norms_before),
    "Normalizations": declared_in(normalizations),
    "Learning phases, dropouts, conds": declared_in(phases),
    "Activations": declared_in(activations),
    "Additions, biases, dense layers, shared kernels": declared_in(joins),
    "Shapes": declared_in(shapes),
    "Other convolutions, larger networks": declared_in(convolutions),
    "Inputs and outputs": declared_in(ends),
}
NETWORKS: Mapping[str, ZooNetwork] = {name: item for kind in KINDS.values() for name, item in kind.items()}


class Checkpoint(NamedTuple):
    """A network as a checkpoint.

    Attributes:
        prefix: Its path without what follows `model.ckpt`.
        starts: Its starting ops.
        outputs: Its output ops.
    """

    prefix: Path
    starts: List[str]
    outputs: List[str]


def write_checkpoint(network: ZooNetwork, folder: Path) -> Checkpoint:
    """Build a network in a graph of its own, give its variables values that are always the same, and save it."""
    with tf.Graph().as_default() as graph:
        if network.learning_phase is not None:
            tf.keras.backend.set_learning_phase(network.learning_phase)
        built = network.build()
        written = built if isinstance(built, Ends) else Ends(built if isinstance(built, (list, tuple)) else [built])
        outputs = [tensor.op.name for tensor in written.outputs]
        starts = written.starts or _inputs(graph, outputs)
        variables = [item for item in tf.global_variables() if item.dtype.base_dtype == tf.float32]
        values = {item.initializer.inputs[1]: _values(item, network.name) for item in variables}
        with tf.Session() as session:
            session.run(tf.global_variables_initializer(), values)
            prefix = folder / "model.ckpt"
            tf.train.Saver().save(session, str(prefix))
    return Checkpoint(prefix, list(starts), outputs)


def _inputs(graph: tf.Graph, outputs: Sequence[str]) -> List[str]:
    needed = {node.name for node in tf.graph_util.extract_sub_graph(graph.as_graph_def(), list(outputs)).node}
    return [op.name for op in graph.get_operations()
            if op.type == "Placeholder" and op.name in needed and op.outputs[0].dtype != tf.bool]


def _values(variable: Any, seed: str) -> np.ndarray:
    """As large as a trained network's; a batch norm must change what it is given, or folding it wrongly would not."""
    name, shape = variable.op.name, variable.shape.as_list()
    random = np.random.RandomState(zlib.crc32(f"{seed} {name}".encode()))
    last = name.rsplit("/", 1)[-1]
    if "variance" in last:
        drawn = random.uniform(0.5, 1.5, shape)
    elif "gamma" in last:
        drawn = random.uniform(0.6, 1.4, shape)
    else:
        drawn = random.normal(0.0, 0.2, shape)
    return np.asarray(drawn, np.float32)


def main(folder: Path) -> None:
    """Write the checkpoints of all networks."""
    for name, network in NETWORKS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        checkpoint = write_checkpoint(network, place)
        found: Dict[str, List[str]] = {"starts": checkpoint.starts, "outputs": checkpoint.outputs}
        (place / "ends.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
