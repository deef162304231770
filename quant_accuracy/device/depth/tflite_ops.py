"""TFLite's integer model, op by op: all ops in one run of its interpreter, each on tensors of its own."""

from typing import Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.device import tflite_tensors
from quant_accuracy.device.depth import causes, counterparts, rewiring
from quant_accuracy.device.depth.contract import ListenedModel, Place, Values
from quant_accuracy.device.depth.counterparts import Counterpart
from quant_accuracy.device.depth.records import INPUT
from quant_accuracy.device.depth.rewiring import Wiring
from quant_accuracy.device.tflite_interpreter import Model, dequantized
from quant_accuracy.device.tflite_tensors import Contents, Tensor
from quant_accuracy.quantization.encodings import round_half_away
from quant_accuracy.quantization.records import Quantization

InputsOf = Callable[[np.ndarray], List[np.ndarray]]


class TfliteOps(ListenedModel):
    """A `model.tflite`, ready to be listened to.

    Args:
        content: The model.
        inputs_of: From an image to what the model takes, uint8 [1, ...] each.
        simulation: The fake-quant graph that it was made from.
        quantization: Quantizers and encodings of that.

    Raises:
        UnsupportedError: The interpreter does not take it.
    """

    def __init__(self, content: bytes, inputs_of: InputsOf, simulation: tf.GraphDef,
                 quantization: Quantization) -> None:
        self.contents = contents = tflite_tensors.parse(content)
        self._inputs_of = inputs_of
        computed = [index for op in contents.ops for index in op.outputs]
        known = counterparts.find([contents.tensors[index].name for index in (*contents.inputs, *computed)],
                                  simulation, quantization)
        self._compared = [index for index in computed if _comparable(contents.tensors[index], known)]
        self.places = _places(contents, self._compared, known)
        self.left_out = [contents.tensors[index].name for index in computed if index not in self._compared]
        # What nothing stands for goes from op to op as it does in the model.
        consumed = {index for op in contents.ops for index in op.inputs}
        self._fed = [index for index in self._compared if index in consumed]
        copies = {index: len(contents.tensors) + place for place, index in enumerate(self._fed)}
        unchanged = [op.inputs for op in contents.ops]
        apart = [[copies.get(index, index) for index in inputs] for inputs in unchanged]
        self._whole = Model(rewiring.rewire(content, Wiring([], unchanged, contents.inputs, self._compared)))
        self._alone = Model(rewiring.rewire(content, Wiring(self._fed, apart, [*contents.inputs, *copies.values()],
                                                            self._compared)))
        self._grids = {tensor.name: tensor for tensor in contents.tensors if tensor.scales}

    def held(self, name: str, values: np.ndarray) -> np.ndarray:
        """As `ListenedModel.held`."""
        tensor = self._grids[name]
        return _values(tensor, _steps(tensor, values)).reshape(values.shape)

    def inputs(self, image: np.ndarray) -> Values:
        """As `ListenedModel.inputs`."""
        tensors = [self.contents.tensors[index] for index in self.contents.inputs]
        return {tensor.name: _values(tensor, value) for tensor, value in zip(tensors, self._inputs_of(image))}

    def whole(self, image: np.ndarray) -> Values:
        """As `ListenedModel.whole`."""
        return self._named(self._whole.run(self._inputs_of(image)))

    def alone(self, image: np.ndarray, fed: Mapping[str, np.ndarray]) -> Values:
        """As `ListenedModel.alone`."""
        tensors = [self.contents.tensors[index] for index in self._fed]
        return self._named(self._alone.run([*self._inputs_of(image),
                                            *(_steps(tensor, fed[tensor.name]) for tensor in tensors)]))

    def explain(self, place: Place, simulation: Mapping[str, tf.NodeDef]) -> Tuple[str, ...]:
        """As `ListenedModel.explain`."""
        return causes.of_tflite(self.contents, place, simulation)

    def _named(self, found: Sequence[np.ndarray]) -> Values:
        tensors = [self.contents.tensors[index] for index in self._compared]
        return {tensor.name: _values(tensor, steps) for tensor, steps in zip(tensors, found)}


def _comparable(tensor: Tensor, known: Mapping[str, Counterpart]) -> bool:
    """Whether it is a tensor of integers that the simulation has, too."""
    return tensor.name in known and len(tensor.scales) == 1 and np.dtype(tensor.dtype).kind in "iu"


def _places(contents: Contents, compared: Sequence[int], known: Mapping[str, Counterpart]) -> List[Place]:
    givers: Dict[int, int] = {index: place for place, op in enumerate(contents.ops, start=1) for index in op.outputs}
    inputs = [index for index in contents.inputs if _comparable(contents.tensors[index], known)]
    found = []
    for index in (*inputs, *compared):
        tensor, place = contents.tensors[index], givers.get(index, 0)
        found.append(Place(place, contents.ops[place - 1].type if place else INPUT, tensor.name, known[tensor.name],
                           tensor.scales[0]))
    return found


def _steps(tensor: Tensor, values: np.ndarray) -> np.ndarray:
    """The steps of a tensor's grid nearest to some values, halves away from zero, as the simulation rounds."""
    limits = np.iinfo(tensor.dtype)
    steps = round_half_away(values.astype(np.float64) / tensor.scales[0]) + tensor.zero_points[0]
    return np.clip(steps, limits.min, limits.max).astype(tensor.dtype).reshape(tensor.shape)


def _values(tensor: Tensor, steps: np.ndarray) -> np.ndarray:
    return dequantized(steps, tensor.scales[0], tensor.zero_points[0])
