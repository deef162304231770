"""Quantize ops in a graph of its own; what they do and which encodings they get is this project's."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, configuration, encodings_file, export, placement, simulate
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantization, Quantizer, Settings

from .batch_norm_fold import frozen

WORKING_DIR = "/tmp/quantsim/"


class _Recording:
    """A session that remembers what it was fed."""

    def __init__(self, graph: tf.GraphDef) -> None:
        with tf.Graph().as_default() as self.graph:
            tf.import_graph_def(graph, name="")
        self._session = tf.Session(graph=self.graph)
        self.image_input, self.batches = "", []  # type: ignore[var-annotated]

    def run(self, fetches: Any, feed: Optional[Dict[str, np.ndarray]] = None) -> Any:
        for name, batch in (feed or {}).items():
            self.image_input = graph_nodes.op_of(name)
            self.batches.append(batch)
        return self._session.run(fetches, feed)

    def close(self) -> None:
        self._session.close()


class _Info:
    def __init__(self, sim: "QuantizationSimModel", quantizer: Quantizer) -> None:
        self._sim, self.quantizer = sim, quantizer
        self.use_strict_symmetric = quantizer.symmetry.strict
        self.use_unsigned_symmetric = quantizer.symmetry.unsigned
        self.enabled, self.bitwidth = quantizer.enabled, quantizer.bitwidth
        self.use_symmetric_encoding = quantizer.symmetry.symmetric

    def as_set(self) -> Quantizer:
        symmetry = replace(self.quantizer.symmetry, symmetric=self.use_symmetric_encoding)
        return replace(self.quantizer, enabled=self.enabled, bitwidth=self.bitwidth, symmetry=symmetry)

    def compute_encoding(self, bitwidth: int, use_symmetric_encodings: bool) -> Any:
        (found,) = self._sim.calibrated().encodings[self.quantizer.tensor]
        return SimpleNamespace(min=found.minimum, max=found.maximum)

    def is_encoding_valid(self) -> bool:
        return bool(self._sim.session.batches)


class QuantizationSimModel:
    def __init__(self, session: tf.Session, starting_op_names: List[str], output_op_names: List[str],
                 quant_scheme: str, rounding_mode: str, default_output_bw: int, default_param_bw: int, use_cuda: bool,
                 config_file: Optional[str]) -> None:
        given = configuration.load(Path(config_file)) if config_file else configuration.Configuration()
        self._settings = Settings(quant_scheme, default_param_bw, default_output_bw, given)
        self._graph = frozen(session, output_op_names)
        self._quantizers = placement.place_quantizers(
            Network(self._graph, starting_op_names, output_op_names), self._settings)
        self.session = _Recording(_with_quantize_ops(self._graph, self._quantizers))
        infos = {quantizer.name: _Info(self, quantizer) for quantizer in self._quantizers}
        self._param_quantizers = {name: info for name, info in infos.items() if info.quantizer.kind == PARAM}
        self._activation_quantizers = {name: info for name, info in infos.items() if info.quantizer.kind == ACTIVATION}
        self._quantization: Optional[Quantization] = None

    def quantizer_config(self, name: str) -> _Info:
        return {**self._param_quantizers, **self._activation_quantizers}[name]

    def calibrated(self) -> Quantization:
        if self._quantization is None:
            infos = {**self._param_quantizers, **self._activation_quantizers}
            quantizers = [infos[quantizer.name].as_set() for quantizer in self._quantizers]
            self._quantization = calibrate.calibrate(self._graph, quantizers, self._settings,
                                                     self.session.image_input, self.session.batches)
        return self._quantization

    def compute_encodings(self, callback: Callable[[Any, Any], None], args: Any) -> None:
        callback(self.session, args)

    def export(self, path: str, prefix: str) -> None:
        export.write_checkpoint(self._graph, Path(path))
        encodings_file.write(Path(path) / f"{prefix}.encodings", self.calibrated())

    def simulation(self) -> tf.GraphDef:
        return simulate.simulate(self._graph, self.calibrated())


def save_checkpoint(quantsim: QuantizationSimModel, meta_path: str, file_name_prefix: str) -> None:
    (Path(meta_path) / f"{file_name_prefix}.meta").write_bytes(quantsim.simulation().SerializeToString())


def load_checkpoint(meta_path: str, file_name_prefix: str) -> Any:
    graph = tf.GraphDef.FromString((Path(meta_path) / f"{file_name_prefix}.meta").read_bytes())
    return SimpleNamespace(session=_Recording(graph))


def _with_quantize_ops(graph: tf.GraphDef, quantizers: List[Quantizer]) -> tf.GraphDef:
    """Every quantizer as an op of AIMET's inputs, which hands its tensor on."""
    wanted = {quantizer.tensor: quantizer for quantizer in quantizers}
    result = tf.GraphDef(versions=graph.versions)
    for node in graph.node:
        copy = result.node.add()
        copy.CopyFrom(node)
        for index, reference in enumerate(copy.input):
            if not reference.startswith("^") and graph_nodes.tensor_of(reference) in wanted:
                copy.input[index] = wanted[graph_nodes.tensor_of(reference)].name
    for quantizer in quantizers:
        mode = (1 if quantizer.kind == PARAM else 0) if quantizer.enabled else 3
        values = {"op_mode": np.int32(mode), "quant_ref": np.int64(0), "encoding_min": np.float64(0),
                  "encoding_max": np.float64(0), "bit_width": np.int8(quantizer.bitwidth),
                  "use_symmetric_encoding": np.bool_(quantizer.symmetry.symmetric)}
        result.node.extend(graph_nodes.const_node(f"{quantizer.name}_{key}", value) for key, value in values.items())
        op = result.node.add(name=quantizer.name, op="IdentityN",
                             input=[quantizer.tensor, *(f"{quantizer.name}_{key}" for key in values)])
        types = [tf.float32, *(tf.as_dtype(value.dtype) for value in values.values())]
        op.attr["T"].list.type.extend(item.as_datatype_enum for item in types)
    return result
