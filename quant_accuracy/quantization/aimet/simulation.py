"""AIMET's simulation of a network: built from a checkpoint, and read for the quantizers that it has."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.freezing import moving_averages
from quant_accuracy.freezing.predicates import PLACEHOLDERS
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import prune
from quant_accuracy.quantization import overrides
from quant_accuracy.quantization.aimet import batching
from quant_accuracy.quantization.aimet.installation import Aimet
from quant_accuracy.quantization.aimet.joining import Joined
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import (
    ACTIVATION,
    INPUT,
    OUTPUT,
    PARAM,
    Override,
    Quantizer,
    Settings,
    Symmetry,
)


def restored(meta: Path, checkpoint: Path, names: GraphNames) -> tf.Session:
    """The part of a checkpoint that leads to the network's outputs, in a session of its own."""
    document = tf.MetaGraphDef.FromString(meta.read_bytes())
    # By these AIMET finds the moving averages of a batch norm in training mode.
    updates = moving_averages.updates(document.graph_def, names.output_ops)
    pruned = prune.prune_meta_graph(document, [*names.output_ops, *updates])
    with tf.Graph().as_default() as graph:
        saver = tf.train.import_meta_graph(pruned, clear_devices=True)
    session = tf.Session(graph=graph, config=_session_config())
    try:
        saver.restore(session, str(checkpoint))
    except BaseException:
        session.close()
        raise
    return session


def _session_config() -> tf.ConfigProto:
    config = batching.unoptimized(None)
    config.gpu_options.allow_growth = True  # AIMET's own sessions want memory of the same device
    return config


def build(modules: Aimet, session: tf.Session, names: GraphNames, settings: Settings,
          config_file: Optional[Path]) -> Any:
    """AIMET's `QuantizationSimModel` of a session's network, batch norms folded."""
    return modules.quantsim.QuantizationSimModel(
        session, list(names.starting_ops), list(names.output_ops), quant_scheme=settings.scheme,
        rounding_mode="nearest", default_output_bw=settings.output_bitwidth, default_param_bw=settings.param_bitwidth,
        use_cuda=bool(tf.test.is_gpu_available(cuda_only=True)),
        config_file=None if config_file is None else str(config_file))


def fetches(graph: tf.Graph, outputs: Sequence[str]) -> List[str]:
    """The outputs behind their quantizers: `<output>:0` itself is the tensor before."""
    names = {op.name for op in graph.get_operations()}
    return [f"{output}_quantized:0" if f"{output}_quantized" in names else f"{output}:0" for output in outputs]


def feeds(graph: tf.Graph, names: GraphNames, batch: Batch) -> Dict[str, np.ndarray]:
    """What a run of a network takes: a batch, and False for each phase that waits for a value, which is inference."""
    phases = {op.outputs[0].name: np.bool_(False) for op in graph.get_operations()
              if op.type in PLACEHOLDERS and op.outputs[0].dtype == tf.bool and op.outputs[0].shape.ndims in (0, None)}
    given = batch if isinstance(batch, Mapping) else {names.image_input: batch}
    return {**phases, **{graph_nodes.tensor_of(name): values for name, values in given.items()}}


def quantizers(modules: Aimet, sim: Any, names: GraphNames) -> List[Quantizer]:
    """Every quantizer of a simulation, in the order in which the network runs."""
    graph = sim.session.graph
    kinds = {**dict.fromkeys(sim._param_quantizers, PARAM), **dict.fromkeys(sim._activation_quantizers, ACTIVATION)}
    order = _run_order(graph, fetches(graph, names.output_ops))
    ops = [graph.get_operation_by_name(name) for name in sorted(kinds, key=lambda name: order.get(name, len(order)))]
    index = modules.constants.QuantizeOpIndices
    # One run for all: QuantizerInfo's own properties take a run for each quantizer and property.
    states = sim.session.run([(op.inputs[index.op_mode], op.inputs[index.bit_width],
                               op.inputs[index.use_symmetric_encoding]) for op in ops])
    off = int(modules.libpymo.TensorQuantizerOpMode.passThrough)
    found = []
    for op, (mode, bits, symmetric) in zip(ops, states):
        info, kind = sim.quantizer_config(op.name), kinds[op.name]
        symmetry = Symmetry(bool(symmetric), bool(info.use_strict_symmetric), bool(info.use_unsigned_symmetric))
        found.append(Quantizer(op.name, op.inputs[0].name, kind, int(bits), symmetry, int(mode) != off, "AIMET",
                               _role(op, kind, names)))
    return found


def _role(op: tf.Operation, kind: str, names: GraphNames) -> str:
    if kind == PARAM:
        return BIAS if any(reader.type == "BiasAdd" for reader in op.outputs[0].consumers()) else WEIGHT
    source = op.inputs[0].op.name
    return INPUT if source in names.starting_ops else OUTPUT if source in names.output_ops else ""


def overridden(sim: Any, placed: Sequence[Joined], wanted: Sequence[Override]) -> List[Joined]:
    """Apply the model card's overrides, by this project's names, to the simulation, and give its quantizers then."""
    changed = overrides.apply([item.ours for item in placed], wanted)
    found = []
    for (theirs, before), after in zip(placed, changed):
        info = sim.quantizer_config(theirs.name)
        found.append(Joined(replace(after, name=theirs.name, tensor=theirs.tensor), after))
        # AIMET fails on being told to enable what is enabled.
        if after.enabled != before.enabled:
            info.enabled = after.enabled
        if after.bitwidth != before.bitwidth:
            info.bitwidth = after.bitwidth
        if after.symmetry != before.symmetry:
            info.use_symmetric_encoding = after.symmetry.symmetric
    return found


def _run_order(graph: tf.Graph, fetches: Sequence[str]) -> Dict[str, int]:
    """The ops that the fetches need, each behind those that it needs itself."""
    order: Dict[str, int] = {}
    seen: Set[str] = set()
    stack: List[Tuple[tf.Operation, bool]] = [(graph.get_tensor_by_name(name).op, False) for name in reversed(fetches)]
    while stack:
        op, ready = stack.pop()
        if ready:
            order[op.name] = len(order)
        elif op.name not in seen:
            seen.add(op.name)
            stack.append((op, True))
            stack.extend((tensor.op, False) for tensor in reversed(list(op.inputs)))
    return order
