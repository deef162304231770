"""The real AIMET for TensorFlow 1.15 behind the simulators' seam: every call into it is in this room.

Names of AIMET 1.19.1 that this room relies on:

- `aimet_tensorflow.quantsim`
    - `QuantizationSimModel(session, starting_op_names: List[str], output_op_names: List[str], quant_scheme: str,
      rounding_mode: str, default_output_bw: int, default_param_bw: int, use_cuda: bool, config_file: Optional[str])`
        - `.session`, a new one
        - `.compute_encodings(forward_pass_callback(session, args), forward_pass_callback_args)`
        - `.export(path: str, filename_prefix: str)`
        - `.quantizer_config(quant_op_name: str) -> QuantizerInfo`
        - `._param_quantizers`, `._activation_quantizers`: `Dict[str, QuantizerInfo]` by the name of the quantize op
    - `save_checkpoint(quantsim, meta_path: str, file_name_prefix: str)`
    - `load_checkpoint(meta_path: str, file_name_prefix: str) -> QuantizationSimModel`
    - `WORKING_DIR: str`, with a slash at its end; read at each use
- `aimet_tensorflow.quantizer_info.QuantizerInfo`
    - `.compute_encoding(bitwidth: int, use_symmetric_encodings: bool) -> libpymo.TfEncoding` (`.min`, `.max`)
    - `.is_encoding_valid() -> bool`
    - `.use_strict_symmetric: bool`, `.use_unsigned_symmetric: bool`, read
    - `.bitwidth: int`, `.use_symmetric_encoding: bool`, `.enabled: bool`, set, and only to another value
- `aimet_tensorflow.batch_norm_fold`
    - `fold_all_batch_norms(sess, input_op_names: List[str], output_op_names: List[str]) -> Tuple[Session, List]`
    - `save_and_load_graph(meta_path: str, sess) -> Session`, as a name of that module
- `aimet_tensorflow.utils.constants.QuantizeOpIndices`: `.op_mode`, `.bit_width`, `.use_symmetric_encoding`, inputs of a
  quantize op; its input 0 is the tensor
- `aimet_tensorflow.utils.graph_saver.tf`: TensorFlow, whose `compat.v1.Session` it opens sessions with
- `aimet_common.quantsim`
    - `gate_min_max(min_val: float, max_val: float) -> Tuple[float, float]`
    - `calculate_delta_offset(min_val: float, max_val: float, bitwidth: int) -> Tuple[float, float]`
- `aimet_common.utils.AimetLogger.LogAreas`: an enum whose values are names of loggers
- `libpymo.TensorQuantizerOpMode.passThrough`

Quantize ops are named `<op>_quantized`, their variables `<op>_quantized_op_mode` and the like. They are initialised by
running their initializers, set with `tf.Variable.load` and read in a `session.run` each: `batching` makes few runs of
these. Where it finds another way of doing so, or no `graph_saver.tf`, AIMET is run as it is, and takes its time.
"""

from quant_accuracy.quantization.aimet.building import build
from quant_accuracy.quantization.aimet.installation import KNOWN, WHEELS, installed, require, usable
from quant_accuracy.quantization.aimet.running import open_network

__all__ = ["KNOWN", "WHEELS", "build", "installed", "open_network", "require", "usable"]
