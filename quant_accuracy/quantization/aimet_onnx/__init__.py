"""AIMET 2 for ONNX behind the backends' contract: every call into it, into tf2onnx and ONNX Runtime is in this room.

AIMET 2 has no TensorFlow. The network part of the frozen graph, batch norms folded, goes through tf2onnx; AIMET places
and calibrates on what comes out; its quantizers come back under the names that their tensors have in the graph here.

Names of aimet-onnx 2.42 that this room relies on:

- `aimet_onnx.quantsim.QuantizationSimModel(model, *, param_type: qtype, activation_type: qtype, quant_scheme: str,
  config_file: str, providers: List[str], session_options_kwargs: Dict[str, Any])`
    - `.compute_encodings(inputs: Iterable[Dict[str, np.ndarray]])`
    - `.export(path: str, filename_prefix: str)`
    - `.session`, an ONNX Runtime session whose outputs stand in the order of the model's
    - `.qc_quantize_op_dict: Dict[str, QcQuantizeOp]` by the name of the tensor; tied tensors share one
    - `.param_names: List[str]`
- `QcQuantizeOp`
    - `.enabled: bool`, `.use_symmetric_encodings: bool`, read and set; `.bitwidth: int`, `.set_bitwidth(bits)`
    - `.use_strict_symmetric: bool`, `.use_unsigned_symmetric: bool`, `.quant_info.usePerChannelMode: bool`, read
    - `.get_encodings() -> Optional[List[libpymo.TfEncoding]]`, `.load_encodings(List[libpymo.TfEncoding])`
- `aimet_onnx.common.libpymo.TfEncoding`: `.min`, `.max`, `.delta`, `.offset`, `.bw`
- `aimet_onnx.common.defs.qtype.int(bits: int)`
- `aimet_onnx.common.utils.AimetLogger.LogAreas`: an enum whose values are names of loggers

It needs Python 3.10 or later, and PyTorch.
"""

from quant_accuracy.quantization.aimet_onnx.building import build
from quant_accuracy.quantization.aimet_onnx.installation import installed, require, versions
from quant_accuracy.quantization.aimet_onnx.running import open_network
from quant_accuracy.quantization.aimet_onnx.simulation import EXPORT, notes

__all__ = ["EXPORT", "build", "installed", "notes", "open_network", "require", "versions"]
