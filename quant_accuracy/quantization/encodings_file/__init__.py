"""Files of encodings: written as AIMET 1.19 exports them, read as AIMET's versions up to 2.x do, matched to quantizers.

| version | its encodings | read by |
|--|--|--|
| none to 0.6.1 | by section and tensor: a list of `{bitwidth, is_symmetric, min, max, scale, offset}` | `by_tensor` |
| 1.0.0 | by section: a list of `{name, dtype, bw, enc_type, is_sym, scale[], offset[]}` | `lists` |
| 2.x | a list of `{name, output_dtype, y_scale, y_zero_point, axis}`, one for every tensor | `grids` |

In all of them, and here, the grid is `scale * (q + offset)` for q from 0 on; only 2.x says it in the integers of its
data type, whose zero point is `y_zero_point`.
"""

from quant_accuracy.quantization.encodings_file.matching import OF_CONVERTER, has, left_out, matching
from quant_accuracy.quantization.encodings_file.reading import read
from quant_accuracy.quantization.encodings_file.stored import AGAIN, VERSION, Stored
from quant_accuracy.quantization.encodings_file.writing import write

__all__ = ["AGAIN", "OF_CONVERTER", "VERSION", "Stored", "has", "left_out", "matching", "read", "write"]
