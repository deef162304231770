"""What an integer model is made from."""

from dataclasses import dataclass
from pathlib import Path
from typing import List

import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization.records import ACTIVATION, Quantization, Quantizer


@dataclass(frozen=True)
class Job:
    """What an integer model is made from.

    Attributes:
        graph: The frozen float graph, batch norms folded.
        names: Its ops.
        quantization: Quantizers and encodings of the simulation.
        height: Of the images.
        width: Of the images.
        folder: Gets the model and what running it needs.
    """

    graph: tf.GraphDef
    names: GraphNames
    quantization: Quantization
    height: int
    width: int
    folder: Path

    @property
    def network(self) -> Network:
        """The network of the float graph."""
        return Network.of(self.graph, self.names)

    def of_inputs(self) -> List[Quantizer]:
        """The enabled quantizers of what the starting ops give."""
        starts = {f"{name}:0" for name in self.names.starting_ops}
        return [q for q in self.quantization.enabled() if q.kind == ACTIVATION and q.tensor in starts]
