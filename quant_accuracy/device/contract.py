"""The kinds of integer models that this suite makes and runs itself, and what each promises."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, ContextManager, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO_INT8, TFLITE
from quant_accuracy.device import openvino_int8, parameters, tflite_inputs, tflite_interpreter, tflite_model
from quant_accuracy.device.job import Job
from quant_accuracy.quantization.backends import RunNetwork
from quant_accuracy.quantization.records import PARAM, Quantization
from quant_accuracy.runtimes.openvino_runtime import OpenVino

_BITS = 8


@dataclass(frozen=True)
class Kind:
    """A kind of integer model.

    Attributes:
        product: What messages call what runs it.
        check: Refuses a quantization that it cannot express, and says so where it is not installed.
        identity: Name and version, which its results depend on.
        build: Makes the model, and leaves it and what running it needs in the job's folder.
        open_network: Runs the network as `build` left it in a folder.
        model: The name of the model's file.
        notes: What of the model differs from the simulation, a line each.
    """

    product: str
    check: Callable[[Quantization], None]
    identity: Callable[[], str]
    build: Callable[[Job], None]
    open_network: Callable[[Path], ContextManager[RunNetwork]]
    model: str
    notes: Callable[[Path], List[str]]

    def exported(self, folder: Path) -> List[Path]:
        """What of a folder is worth having elsewhere: the model, and its parameters against the encodings."""
        return [path for path in (folder / self.model, folder / parameters.FILE) if path.is_file()]


def _check(product: str, quantization: Quantization) -> None:
    for quantizer in quantization.enabled():
        setting = "param_bitwidth (--default-param-bw)" if quantizer.kind == PARAM else \
            "output_bitwidth (--default-output-bw)"
        if quantizer.bitwidth != _BITS:
            raise ConfigurationError(
                f"--device {product}: {quantizer.tensor} has {quantizer.bitwidth} bits, and its integer kernels take "
                f"{_BITS}; set quantization: {setting} and its overrides to {_BITS}, or leave --device {product} out")
        if quantizer.axis is not None:
            raise ConfigurationError(
                f"--device {product}: {quantizer.tensor} has an encoding for each channel, and it is given one for the "
                "whole tensor; set per_channel_quantization in the quantizer configuration to False, or leave --device "
                f"{product} out")


def _build_tflite(job: Job) -> None:
    inputs = tflite_inputs.of_job(job)
    model = tflite_model.convert(tflite_model.with_ranges(job, inputs), inputs, tflite_model.outputs(job))
    tflite_model.require_integers(model)
    (job.folder / tflite_model.MODEL).write_bytes(model)
    tflite_inputs.write(job, inputs)
    parameters.write(job.folder, job.quantization, inputs)
    # What the interpreter does not take is said now, not on the first image.
    tflite_interpreter.Model(model).run([np.zeros(item.shape, np.uint8) for item in inputs])


def _tflite_identity() -> str:
    return f"{TFLITE} of tensorflow {tf.__version__}"


def _check_openvino(quantization: Quantization) -> None:
    openvino_int8.require()
    _check(OPENVINO_INT8, quantization)


_KINDS: Mapping[str, Kind] = {
    TFLITE: Kind("TFLite", lambda quantization: _check(TFLITE, quantization), _tflite_identity, _build_tflite,
                 tflite_interpreter.open_network, tflite_model.MODEL,
                 lambda folder: parameters.notes(TFLITE, parameters.read(folder))),
    OPENVINO_INT8: Kind("OpenVINO", _check_openvino, lambda: f"{OPENVINO_INT8} of {OpenVino().identity}",
                        openvino_int8.build, openvino_int8.open_network, openvino_int8.MODEL, openvino_int8.notes),
}


def kinds() -> Sequence[str]:
    """The kinds that there are."""
    return tuple(_KINDS)


def of(kind: str) -> Kind:
    """A kind by its name."""
    return _KINDS[kind]
