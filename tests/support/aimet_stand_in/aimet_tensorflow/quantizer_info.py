"""A quantizer whose settings are variables of the graph, each read and set by a run of its own."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import libpymo  # type: ignore[import]
import tensorflow.compat.v1 as tf

from quant_accuracy.quantization.records import PARAM, Quantizer

from .utils.constants import QuantizeOpIndices as Index

_OFF = int(libpymo.TensorQuantizerOpMode.passThrough)


class QuantizerInfo:
    def __init__(self, sim: Any, session: tf.Session, quantizer: Quantizer) -> None:
        self._sim, self.session, self._quantizer = sim, session, quantizer
        self.use_strict_symmetric = quantizer.symmetry.strict
        self.use_unsigned_symmetric = quantizer.symmetry.unsigned

    @property
    def on(self) -> int:
        """The mode of one that is on, before anything has been seen."""
        modes = libpymo.TensorQuantizerOpMode
        return int(modes.oneShotQuantizeDequantize if self._quantizer.kind == PARAM else modes.updateStats)

    def _set(self, key: str, value: Any) -> None:
        with self.session.graph.as_default():
            (variable,) = [variable for variable in tf.global_variables()
                           if variable.op.name == f"{self._quantizer.name}_{key}"]
        variable.load(value, self.session)

    def _get(self, index: int) -> Any:
        return self.session.run(self.session.graph.get_operation_by_name(self._quantizer.name).inputs[index])

    @property
    def bitwidth(self) -> int:
        return int(self._get(Index.bit_width))

    @bitwidth.setter
    def bitwidth(self, value: int) -> None:
        self._set("bit_width", value)

    @property
    def use_symmetric_encoding(self) -> bool:
        return bool(self._get(Index.use_symmetric_encoding))

    @use_symmetric_encoding.setter
    def use_symmetric_encoding(self, value: bool) -> None:
        self._set("use_symmetric_encoding", value)

    @property
    def enabled(self) -> bool:
        return bool(self._get(Index.op_mode) != _OFF)

    @enabled.setter
    def enabled(self, value: bool) -> None:
        if value == self.enabled:
            raise UnboundLocalError("op_mode")
        self.set_op_mode(self.on if value else _OFF)

    def set_op_mode(self, mode: int) -> None:
        self._set("op_mode", int(mode))

    def set_reference(self, value: int) -> None:
        self._set("quant_ref", value)

    def set_encoding(self, encoding: Any) -> None:
        self._set("encoding_min", encoding.min)
        self._set("encoding_max", encoding.max)

    def range(self) -> Any:
        op = self.session.graph.get_operation_by_name(self._quantizer.name)
        return self.session.run([op.inputs[Index.encoding_min], op.inputs[Index.encoding_max]])

    def as_set(self) -> Quantizer:
        symmetry = replace(self._quantizer.symmetry, symmetric=self.use_symmetric_encoding)
        return replace(self._quantizer, enabled=self.enabled, bitwidth=self.bitwidth, symmetry=symmetry)

    def compute_encoding(self, bitwidth: int, use_symmetric_encodings: bool) -> Any:
        (found,) = self._sim.calibrated().encodings[self._quantizer.tensor]
        return SimpleNamespace(min=found.minimum, max=found.maximum)

    def is_encoding_valid(self) -> bool:
        return bool(self._sim.session.batches)
