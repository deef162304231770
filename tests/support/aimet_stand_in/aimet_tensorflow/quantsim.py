"""Quantize ops in a graph of its own; what they do and which encodings they get is this project's."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional

import libpymo  # type: ignore[import]
import numpy as np
import tensorflow.compat.v1 as tf
from aimet_common import quantsim as common  # type: ignore[import]

from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, configuration, export, placement, simulate
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantization, Quantizer, Settings

from .batch_norm_fold import frozen
from .quantizer_info import QuantizerInfo
from .utils import graph_saver

_LOGGER = logging.getLogger("Quant")
WORKING_DIR = "/tmp/quantsim/"
_WHILE_CALIBRATED = int(libpymo.TensorQuantizerOpMode.quantizeDequantize)


class _Recording:
    """A session that remembers what it was fed."""

    def __init__(self, session: tf.Session) -> None:
        self._session, self.graph = session, session.graph
        self.image_input, self.batches = "", []  # type: ignore[var-annotated]

    def run(self, fetches: Any, feed: Optional[Dict[str, np.ndarray]] = None) -> Any:
        for name, batch in (feed or {}).items():
            self.image_input = graph_nodes.op_of(name)
            self.batches.append(batch)
        return self._session.run(fetches, feed)

    def close(self) -> None:
        self._session.close()


class QuantizationSimModel:
    def __init__(self, session: tf.Session, starting_op_names: List[str], output_op_names: List[str],
                 quant_scheme: str, rounding_mode: str, default_output_bw: int, default_param_bw: int, use_cuda: bool,
                 config_file: Optional[str]) -> None:
        _LOGGER.info("Adding quantization ops")
        _LOGGER.warning("Unable to identify module name, using name of first op as module name: %s",
                        starting_op_names[0])
        given = configuration.load(Path(config_file)) if config_file else configuration.Configuration()
        self._settings = Settings(quant_scheme, default_param_bw, default_output_bw, given)
        self._graph = frozen(session, output_op_names)
        self._quantizers = placement.place_quantizers(
            Network(self._graph, starting_op_names, output_op_names), self._settings)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(self._graph, name="")
        inner = graph_saver.open_session(graph)
        infos = {quantizer.name: QuantizerInfo(self, inner, quantizer) for quantizer in self._quantizers}
        self._param_quantizers = {q.name: infos[q.name] for q in self._quantizers if q.kind == PARAM}
        self._activation_quantizers = {q.name: infos[q.name] for q in self._quantizers if q.kind == ACTIVATION}
        with graph.as_default():
            for quantizer in self._quantizers:
                _insert(inner, quantizer, infos[quantizer.name].on)
        for quantizer in self._quantizers:
            if infos[quantizer.name].enabled != quantizer.enabled:
                infos[quantizer.name].enabled = quantizer.enabled
            infos[quantizer.name].use_symmetric_encoding = quantizer.symmetry.symmetric
        saved = graph_saver.save_and_load_graph(WORKING_DIR, inner)
        inner.close()
        for number, info in enumerate(infos.values()):
            info.session = saved
            info.set_reference(number)
        self.session = _Recording(saved)
        self._quantization: Optional[Quantization] = None

    def _infos(self) -> Dict[str, QuantizerInfo]:
        return {**self._param_quantizers, **self._activation_quantizers}

    def quantizer_config(self, name: str) -> QuantizerInfo:
        return self._infos()[name]

    def calibrated(self) -> Quantization:
        if self._quantization is None:
            infos = self._infos()
            quantizers = [infos[quantizer.name].as_set() for quantizer in self._quantizers]
            self._quantization = calibrate.calibrate(self._graph, quantizers, self._settings,
                                                     self.session.image_input, self.session.batches)
        return self._quantization

    def compute_encodings(self, callback: Callable[[Any, Any], None], args: Any) -> None:
        callback(self.session, args)
        for info in self._infos().values():
            if info.enabled:
                info.set_encoding(info.compute_encoding(info.bitwidth, info.use_symmetric_encoding))
        for info in self._activation_quantizers.values():
            if info.enabled:
                info.set_op_mode(_WHILE_CALIBRATED)

    def export(self, path: str, prefix: str) -> None:
        export.write_checkpoint(self._graph, Path(path))
        document: Dict[str, Any] = {"version": "0.5.0", "activation_encodings": {}, "param_encodings": {}}
        for quantizer in self._quantizers:
            info = self._infos()[quantizer.name]
            if info.enabled:
                low, high = common.gate_min_max(*info.range())
                delta, offset = common.calculate_delta_offset(low, high, info.bitwidth)
                document[f"{quantizer.kind}_encodings"][quantizer.tensor] = [{
                    "min": low, "max": high, "scale": delta, "offset": offset, "bitwidth": info.bitwidth,
                    "is_symmetric": str(info.use_symmetric_encoding)}]
        (Path(path) / f"{prefix}.encodings").write_text(json.dumps(document))

    def simulation(self) -> tf.GraphDef:
        return simulate.simulate(self._graph, self.calibrated())


def save_checkpoint(quantsim: QuantizationSimModel, meta_path: str, file_name_prefix: str) -> None:
    (Path(meta_path) / f"{file_name_prefix}.meta").write_bytes(quantsim.simulation().SerializeToString())


def load_checkpoint(meta_path: str, file_name_prefix: str) -> Any:
    stored = tf.GraphDef.FromString((Path(meta_path) / f"{file_name_prefix}.meta").read_bytes())
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(stored, name="")
    return SimpleNamespace(session=_Recording(graph_saver.open_session(graph)))


def _insert(session: tf.Session, quantizer: Quantizer, mode: int) -> None:
    """Put a quantizer behind its tensor: an op of AIMET's inputs, which hands the tensor on."""
    tensor = session.graph.get_tensor_by_name(quantizer.tensor)
    readers = [(op, index) for op in tensor.consumers() for index, source in enumerate(op.inputs) if source is tensor]
    values = {"op_mode": np.int32(mode), "quant_ref": np.int64(0), "encoding_min": np.float64(0),
              "encoding_max": np.float64(0), "bit_width": np.int8(quantizer.bitwidth),
              "use_symmetric_encoding": np.bool_(False)}
    variables = [tf.Variable(value, trainable=False, name=f"{quantizer.name}_{key}", dtype=value.dtype,
                             use_resource=False) for key, value in values.items()]
    session.run([variable.initializer for variable in variables])
    quantized = tf.identity_n([tensor, *variables], name=quantizer.name)[0]
    for op, index in readers:
        op._update_input(index, quantized)
