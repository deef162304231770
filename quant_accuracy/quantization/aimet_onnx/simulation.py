"""AIMET's simulation of an ONNX model: built, read, changed, kept in a folder and opened again."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.documents import read_json
from quant_accuracy.base.errors import DataError, StorageError
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.aimet_onnx.installation import AimetOnnx
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import TF, TF_ENHANCED, Encoding, Settings, Symmetry

# In a folder of artifacts: what runs the network, and what AIMET exports.
FOLDER, EXPORT, PREFIX = "aimet_onnx", "aimet_onnx_export", "model"
MODEL, CONFIGURATION, STATE = "model.onnx", "configuration.json", "state.json"
PREPROCESSING, SETTINGS, NOTES = "preprocessing.pb", "settings.json", "notes.json"

_SCHEMES = {TF: "min_max", TF_ENHANCED: "tf_enhanced"}
_PROVIDERS = ["CPUExecutionProvider"]
# Sums are then taken in one order, whatever the number of cores.
_SESSION = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}


class State(NamedTuple):
    """A quantizer of AIMET's.

    Attributes:
        tensor: The tensor of the ONNX model.
        param: Whether it is a param's.
        enabled: Whether it quantizes.
        bitwidth: Number of bits.
        symmetry: Which ranges it may have.
        per_channel: Whether each output channel has an encoding.
        tied: Tensors that share the quantizer with this one, itself included.
    """

    tensor: str
    param: bool
    enabled: bool
    bitwidth: int
    symmetry: Symmetry
    per_channel: bool
    tied: Tuple[str, ...]


def write_configuration(path: Path, wanted: Configuration) -> None:
    """Write a configuration as AIMET 2 takes it, whose schema asks for an input that is quantized."""
    configuration.write(path, wanted)
    document = read_json(path)
    files.write_json(path, {**document, "model_input": {"is_input_quantized": "True"}})


def build(modules: AimetOnnx, model: Any, settings: Settings, config_file: Path) -> Any:
    """AIMET's `QuantizationSimModel` of an ONNX model, which it changes."""
    return modules.quantsim.QuantizationSimModel(
        model, param_type=modules.qtype.int(settings.param_bitwidth),
        activation_type=modules.qtype.int(settings.output_bitwidth), quant_scheme=_SCHEMES[settings.scheme],
        config_file=str(config_file), providers=_PROVIDERS, session_options_kwargs=_SESSION)


def float_session(modules: AimetOnnx, model: Any) -> Any:
    """A session of an ONNX model as it is."""
    options = modules.onnxruntime.SessionOptions()
    for name, value in _SESSION.items():
        setattr(options, name, value)
    return modules.onnxruntime.InferenceSession(model.SerializeToString(), options, providers=_PROVIDERS)


def states(sim: Any) -> List[State]:
    """Every quantizer of a simulation."""
    params = set(sim.param_names)
    sharing: Dict[int, List[str]] = {}
    for tensor, quantizer in sim.qc_quantize_op_dict.items():
        sharing.setdefault(id(quantizer), []).append(tensor)
    return [State(tensor, tensor in params, bool(quantizer.enabled), int(quantizer.bitwidth),
                  Symmetry(bool(quantizer.use_symmetric_encodings), bool(quantizer.use_strict_symmetric),
                           bool(quantizer.use_unsigned_symmetric)),
                  bool(quantizer.quant_info.usePerChannelMode), tuple(sharing[id(quantizer)]))
            for tensor, quantizer in sim.qc_quantize_op_dict.items()]


def change(sim: Any, tensor: str, enabled: bool, bitwidth: int, symmetric: bool) -> None:
    """Give a quantizer other settings, before it is calibrated."""
    quantizer = sim.qc_quantize_op_dict[tensor]
    quantizer.enabled = enabled
    quantizer.set_bitwidth(bitwidth)
    quantizer.use_symmetric_encodings = symmetric


def encodings(sim: Any, tensor: str) -> Optional[Tuple[Encoding, ...]]:
    """The encodings of a calibrated quantizer; None where it has seen nothing."""
    quantizer = sim.qc_quantize_op_dict[tensor]
    found = quantizer.get_encodings()
    if not found:
        return None
    symmetric = bool(quantizer.use_symmetric_encodings)
    return tuple(Encoding(float(item.min), float(item.max), float(item.delta), round(item.offset), int(item.bw),
                          symmetric) for item in found)


def save(folder: Path, model: bytes, sim: Any) -> None:
    """Keep what `opened` needs: the float model and the quantizers' state.

    Args:
        folder: The folder, which holds the configuration already.
        model: The ONNX model that the simulation was built of.
        sim: The simulation, calibrated.
    """
    kept = [{"tensor": state.tensor, "enabled": state.enabled, "bitwidth": state.bitwidth,
             "symmetric": state.symmetry.symmetric,
             "encodings": [[item.minimum, item.maximum, item.scale, item.offset]
                           for item in (encodings(sim, state.tensor) or () if state.enabled else ())]}
            for state in states(sim)]
    (folder / MODEL).write_bytes(model)
    files.write_json(folder / STATE, kept)


def opened(modules: AimetOnnx, folder: Path, settings: Settings) -> Any:
    """The simulation that `save` kept: calibrated, to the last bit.

    Raises:
        Exception: A file is missing or damaged, whatever reading it raises.
    """
    sim = build(modules, modules.onnx.load(str(folder / MODEL)), settings, folder / CONFIGURATION)
    kept: Sequence[Dict[str, Any]] = read_json(folder / STATE)
    if {item["tensor"] for item in kept} != set(sim.qc_quantize_op_dict):
        raise DataError(f"its quantizers are not those of {folder / STATE}")
    for item in kept:
        change(sim, item["tensor"], item["enabled"], item["bitwidth"], item["symmetric"])
    for item in kept:
        if item["encodings"]:
            sim.qc_quantize_op_dict[item["tensor"]].load_encodings(
                [_tf_encoding(modules, item["bitwidth"], *values) for values in item["encodings"]])
    return sim


def notes(folder: Path) -> List[str]:
    """What `build` noted in a folder of artifacts; nothing where another backend has made it.

    Raises:
        StorageError: The notes cannot be read.
    """
    path = folder / FOLDER / NOTES
    try:
        return [str(note) for note in read_json(path)] if path.exists() else []
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path}: not readable ({error}); delete {folder}, it will be rebuilt") from error


def _tf_encoding(modules: AimetOnnx, bitwidth: int, minimum: float, maximum: float, scale: float,
                 offset: float) -> Any:
    encoding = modules.libpymo.TfEncoding()
    encoding.min, encoding.max, encoding.delta, encoding.offset, encoding.bw = minimum, maximum, scale, offset, bitwidth
    return encoding
