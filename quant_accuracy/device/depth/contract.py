"""What an integer model promises to those who listen to its ops, whichever runtime runs it."""

import abc
from dataclasses import dataclass
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.device.depth.counterparts import Counterpart


@dataclass(frozen=True)
class Place:
    """An op of a model that is compared, or one of its inputs.

    Attributes:
        place: Its place in the order in which the model runs; inputs have 0.
        type: As the runtime calls it; `INPUT` for an input.
        name: The tensor that it gives, as the model calls it.
        counterpart: The tensor of the simulation that stands for it.
        step: The step of the tensor's grid in the model.
    """

    place: int
    type: str
    name: str
    counterpart: Counterpart
    step: float


Values = Dict[str, np.ndarray]


class ListenedModel(abc.ABC):
    """An integer model whose every tensor can be heard, and whose every op can be fed.

    Attributes:
        places: Its inputs and its ops, as far as the simulation has what they give, in the order in which they run.
        left_out: The tensors between ops for which the simulation has nothing.
    """

    places: Sequence[Place]
    left_out: Sequence[str]

    @abc.abstractmethod
    def held(self, name: str, values: np.ndarray) -> np.ndarray:
        """What becomes of some values where a tensor of the model has to hold them, float."""

    @abc.abstractmethod
    def inputs(self, image: np.ndarray) -> Values:
        """What the model takes of an image, float, by the name of the input."""

    @abc.abstractmethod
    def whole(self, image: np.ndarray) -> Values:
        """Every tensor as the model computes it, float, by its name in the model."""

    @abc.abstractmethod
    def alone(self, image: np.ndarray, fed: Mapping[str, np.ndarray]) -> Values:
        """What each op makes of the tensors that it is fed, float, by name; inputs are those of the image."""

    @abc.abstractmethod
    def explain(self, place: Place, simulation: Mapping[str, tf.NodeDef]) -> Tuple[str, ...]:
        """What the model's own parameters say of an op that differs, most telling first.

        Args:
            place: The op, or the input.
            simulation: The ops of the simulation, each fed from outside, as `simulated_ops.cut` makes them.
        """
