"""Simulation and integer model on the same images, op by op: what each op does alone, and what piles up."""

from dataclasses import replace
from typing import Dict, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import progress
from quant_accuracy.base.errors import GraphError
from quant_accuracy.device.depth import simulated_ops
from quant_accuracy.device.depth.contract import ListenedModel, Place
from quant_accuracy.device.depth.differences import Sums
from quant_accuracy.device.depth.records import INPUT, Op
from quant_accuracy.device.depth.simulated_ops import SimulatedOps
from quant_accuracy.graph import nodes as graph_nodes

# A value lies on a grid where it is no further from it than float32's rounding takes it, in steps.
_ON_GRID = 0.01


def compare(model: ListenedModel, simulation: tf.GraphDef, image_input: str, images: Sequence[np.ndarray]) -> List[Op]:
    """Every op of an integer model beside the simulation, in the order in which the model runs.

    Each op of both is fed the same values: those of the simulation, as the model's tensors can hold them. What a tensor
    cannot hold is a difference of the op that gives it, not of those that take it.

    Args:
        model: The integer model.
        simulation: The fake-quant graph that it was made from.
        image_input: The op of it that images are fed to.
        images: uint8 [1, height, width, 3] each.

    Raises:
        GraphError: One of both cannot be run, or a tensor has another shape in the other.
    """
    local, accumulated = ({place.name: Sums() for place in model.places} for _ in range(2))
    sources = [place.counterpart.source for place in model.places]
    with simulated_ops.open_ops(simulation, image_input, sources) as simulated:
        with progress.counter(len(images), "images", "device: op by op") as counter:
            for image in images:
                _add(model, simulated, image, local, accumulated)
                counter.update()
        found = [_op(place, local[place.name], accumulated[place.name], simulated) for place in model.places]
        return [op if op.healthy else replace(op, causes=model.explain(place, simulated.nodes))
                for op, place in zip(found, model.places)]


def _add(model: ListenedModel, simulated: SimulatedOps, image: np.ndarray, local: Dict[str, Sums],
         accumulated: Dict[str, Sums]) -> None:
    """Add what an image shows."""
    taken, values = model.inputs(image), simulated.whole(image)
    fed: Dict[str, np.ndarray] = {}
    for place in model.places:
        wanted = values[place.counterpart.source]
        held = taken[place.name].reshape(wanted.shape) if place.type == INPUT else model.held(place.name, wanted)
        near = np.abs(held - wanted) <= _ON_GRID * place.step
        fed.setdefault(place.counterpart.source, np.where(near, wanted, held).astype(np.float32))
    of_ops = simulated.alone(image, fed)
    alone = model.alone(image, {place.name: fed[place.counterpart.source] for place in model.places})
    whole = model.whole(image)
    for place in model.places:
        source, name, step = place.counterpart.source, place.name, _step(place)
        given = place.type == INPUT
        _same_shape(place, taken if given else whole, values[source])
        local[name] = local[name].plus(taken[name] if given else alone[name], (values if given else of_ops)[source],
                                       step)
        accumulated[name] = accumulated[name].plus(taken[name] if given else whole[name], values[source], step)


def _same_shape(place: Place, found: Dict[str, np.ndarray], wanted: np.ndarray) -> None:
    if found[place.name].shape != wanted.shape:
        raise GraphError(f"the integer model gives {place.name} as {list(found[place.name].shape)}, and the simulation "
                         f"{place.counterpart.tensor} as {list(wanted.shape)}: they cannot be compared op by op; leave "
                         "--device out, or name another kind")


def _step(place: Place) -> float:
    encoding = place.counterpart.encoding
    return place.step if encoding is None else encoding.scale


def _op(place: Place, local: Sums, accumulated: Sums, simulated: SimulatedOps) -> Op:
    tensor = place.counterpart.tensor
    given = graph_nodes.op_of(tensor)
    layer = given if place.type == INPUT else simulated.layer(place.counterpart.source, given)
    return Op(place.place, place.type, tensor, layer, local.elements, _step(place), local.figures(),
              accumulated.figures())
