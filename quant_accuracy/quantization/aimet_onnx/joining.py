"""AIMET's quantizers on the graph here: by what their tensors are, and what these are is checked by their values.

tf2onnx keeps the names of most tensors. Others it makes anew: a convolution with its bias that is a layer of its own, a
kernel that it transposes. Such a tensor is what the op takes, in this graph, that reads it in the other. That it is the
same one show its values on a calibration image, or, of a param, all of its values.
"""

from collections import Counter
from dataclasses import replace
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.aimet_onnx.conversion import Starts
from quant_accuracy.quantization.aimet_onnx.installation import PRODUCT, AimetOnnx
from quant_accuracy.quantization.aimet_onnx.simulation import State, float_session
from quant_accuracy.quantization.aimet_onnx.tensors import Tensors
from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import ACTIVATION, INPUT, OUTPUT, PARAM, Quantizer, Settings

RULE = PRODUCT
# Both compute in float32, in different orders, through all of the network.
_ROUNDING = 1e-3
# Such ops give values of their input: AIMET has no quantizer behind them, or one that is off.
_MOVING = ("DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity",
           "MaxPool", "Pad", "ReduceMax", "ReduceMin", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile",
           "TopK", "Transpose", "Unsqueeze")


class Joined(NamedTuple):
    """A quantizer of AIMET's, as it is there and here.

    Attributes:
        theirs: Its state, with the name of its tensor in the ONNX model.
        ours: The quantizer with the names of this project's graph.
    """

    theirs: State
    ours: Quantizer


def join(states: Sequence[State], tensors: Tensors, network: Network, settings: Settings,
         notes: List[str]) -> List[Joined]:
    """Find the tensor of each of AIMET's quantizers in the network here, in the order in which it runs.

    What has no counterpart is left out, and so is what is off behind an op that only moves values: the notes count
    them.

    Args:
        states: AIMET's quantizers.
        tensors: The tensors of both graphs.
        network: This project's own.
        settings: The settings, which the network is placed with here for the reasons.
        notes: Gets what is worth a line.

    Raises:
        GraphError: Two quantizers are on one tensor here, or there are encodings for channels that it has not here.
        ConfigurationError: The configuration contradicts itself on a tensor.
    """
    placed = {quantizer.tensor: quantizer
              for quantizer in placement.place_quantizers(network, replace(settings, overrides=()))}
    taken = {node.name.lower() for node in network.graph.node}
    found: Dict[str, Joined] = {}
    left_out: List[State] = []
    for state in states:
        kept = state.enabled or tensors.made_by(state.tensor) not in _MOVING
        names = tensors.counterparts(state.tensor) if kept else []
        for tensor in names:
            if tensor in found:
                raise GraphError(f"{PRODUCT} has quantizers on {state.tensor!r} and {found[tensor].theirs.tensor!r}, "
                                 f"which are one tensor here, {tensor!r}; use --backend builtin")
            found[tensor] = Joined(state, _quantizer(state, tensor, tensors, network, placed, taken))
        if state.enabled and not names:
            left_out.append(state)
    notes += _differences(left_out, tensors, placed, found)
    ordered = placement.in_order([item.ours for item in found.values()], network)
    return [found[quantizer.tensor] for quantizer in ordered]


def inputs_as_placed(joined: Sequence[Joined], network: Network, settings: Settings,
                     notes: List[str]) -> List[Joined]:
    """The quantizers, those of the network's inputs on or off as they are placed here.

    AIMET 2 has no other choice than to quantize every input, also one that an Identity gives, which has no quantizer in
    AIMET 1.19.
    """
    on = {quantizer.tensor for quantizer in placement.place_quantizers(network, replace(settings, overrides=()))
          if quantizer.enabled}
    off = [item.ours.tensor for item in joined if item.ours.role == INPUT and item.ours.enabled
           and item.ours.tensor not in on]
    if off:
        notes.append(f"{PRODUCT}: the quantizer of {', '.join(off)} is off, as with AIMET 1.19; an override in the "
                     "model card switches it on")
    return [item._replace(ours=replace(item.ours, enabled=False)) if item.ours.tensor in off else item
            for item in joined]


def _quantizer(state: State, tensor: str, tensors: Tensors, network: Network, placed: Mapping[str, Quantizer],
               taken: Iterable[str]) -> Quantizer:
    ours = placed.get(tensor)
    op = graph_nodes.op_of(tensor)
    if state.param:
        role = BIAS if tensors.is_bias(state.tensor) else WEIGHT
    else:
        role = INPUT if op in network.starts else OUTPUT if op in network.outputs else ""
    axis = tensors.channel_axis(state.tensor) if state.param and state.per_channel else None
    if state.param and state.per_channel and state.enabled and axis is None:
        raise GraphError(f"{PRODUCT} has an encoding for each output channel of {tensor!r}, and these lie along no "
                         "axis of it here; set per_channel_quantization to False in the configuration, or use "
                         "--backend builtin")
    covered = not state.param and not state.enabled and ours is not None and ours.covered
    return Quantizer(placement.quantizer_name(tensor, frozenset(taken)), tensor, PARAM if state.param else ACTIVATION,
                     state.bitwidth, state.symmetry, state.enabled, RULE, role,
                     axis, covered)


def _differences(left_out: Sequence[State], tensors: Tensors, placed: Mapping[str, Quantizer],
                 found: Mapping[str, Joined]) -> Iterator[str]:
    """What AIMET quantizes and the graph here cannot, and the other way round."""
    if left_out:
        kinds = Counter(f"of {tensors.read_by(state.tensor)}" for state in left_out)
        yield (f"{PRODUCT}: {len(left_out)} of its quantizers are on tensors that the graph here has not, and count "
               f"only with --simulate aimet-onnx: {_counted(kinds)}")
    missing = [quantizer for tensor, quantizer in placed.items() if quantizer.enabled and tensor not in found]
    if missing:
        kinds = Counter(tensors.type_of(quantizer.tensor) for quantizer in missing)
        yield f"{PRODUCT}: {len(missing)} tensors have no quantizer that AIMET 1.19 gives one: {_counted(kinds)}"


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))


def with_same_values(modules: AimetOnnx, joined: Sequence[Joined], model: Any, tensors: Tensors, network: Network,
                     starts: Starts, notes: List[str]) -> List[Joined]:
    """Those of the quantizers whose tensors have the same values in both graphs.

    Args:
        modules: AIMET's modules.
        joined: The quantizers.
        model: The ONNX model as it was converted.
        tensors: The tensors of both graphs.
        network: This project's network.
        starts: What the starting ops give for one image.
        notes: Gets what is worth a line.

    Raises:
        GraphError: A tensor of the same name, or an output of the network, has other values.
    """
    _require_params([item for item in joined if item.ours.kind == PARAM], tensors)
    pairs = {item.theirs.tensor: item.ours.tensor for item in joined if item.ours.kind == ACTIVATION}
    pairs.update((f"{name}:0", f"{name}:0") for name in network.outputs)
    theirs = _values_there(modules, model, list(pairs), starts)
    ours = _values_here(tensors.cut, list(pairs.values()), starts)
    other = {there for (there, here), a, b in zip(pairs.items(), theirs, ours) if not _same(a, b)}
    for tensor in other:
        if tensor == pairs[tensor]:
            raise GraphError(f"{tensor!r} of the ONNX model has other values than in the network here: it was "
                             "converted into another network; use --backend builtin")
    if other:
        notes.append(f"{PRODUCT}: {len(other)} of its quantizers are on tensors of other values than what they stand "
                     f"for here, and are left out: {', '.join(sorted(other)[:3])}")
    return [item for item in joined if item.theirs.tensor not in other]


def _require_params(joined: Sequence[Joined], tensors: Tensors) -> None:
    for item in joined:
        theirs, ours = tensors.values_there(item.theirs.tensor), tensors.values_here(item.ours.tensor)
        there, here = tensors.their_axis(item.theirs.tensor), tensors.channel_axis(item.theirs.tensor)
        if there is None or here is None:
            there = here = None
        if theirs.size != ours.size or not np.array_equal(_channels(theirs, there), _channels(ours, here)):
            raise GraphError(f"the weights {item.theirs.tensor!r} of the ONNX model are not those of "
                             f"{item.ours.tensor!r} here; use --backend builtin")


def _channels(values: np.ndarray, axis: Optional[int]) -> np.ndarray:
    """The values of each output channel in order of size: however they are arranged, they are the same."""
    if axis is None:
        return np.sort(values, axis=None)
    return np.sort(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1), axis=1)


_Summary = Tuple[int, float, float, float]


def _values_there(modules: AimetOnnx, model: Any, tensors: Sequence[str], starts: Starts) -> List[_Summary]:
    """What the float ONNX model computes, whatever the order of the axes."""
    shown = modules.onnx.ModelProto()
    shown.CopyFrom(model)
    known = {item.name for item in shown.graph.output}
    inputs = {item.name for item in shown.graph.input}
    constants = {item.name: modules.onnx.numpy_helper.to_array(item) for item in shown.graph.initializer}
    wanted = [name for name in tensors if name not in inputs and name not in constants]
    shown.graph.output.extend(modules.onnx.ValueInfoProto(name=name) for name in wanted if name not in known)
    values = float_session(modules, shown).run(wanted, starts)
    found = {**{name: np.asarray(starts[name]) for name in tensors if name in inputs},
             **{name: constants[name] for name in tensors if name in constants}, **dict(zip(wanted, values))}
    return [_summary(found[name]) for name in tensors]


def _values_here(cut: tf.GraphDef, tensors: Sequence[str], starts: Starts) -> List[_Summary]:
    with sessions.open_session(cut, "the network") as session:
        return [_summary(value) for value in session.run(list(tensors), dict(starts))]


def _summary(values: np.ndarray) -> _Summary:
    if not values.size:
        return 0, 0.0, 0.0, 0.0
    exact = values.astype(np.float64)
    return values.size, float(exact.min()), float(exact.max()), float(exact.mean())


def _same(theirs: _Summary, ours: _Summary) -> bool:
    room = _ROUNDING * max(ours[2] - ours[1], abs(ours[1]), abs(ours[2]))
    return theirs[0] == ours[0] and all(abs(a - b) <= room for a, b in zip(theirs[1:], ours[1:]))
