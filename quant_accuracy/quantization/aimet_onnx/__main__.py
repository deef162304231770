"""Says which AIMET for ONNX is installed and can be loaded: `python -m quant_accuracy.quantization.aimet_onnx`."""

import sys

from quant_accuracy.quantization.aimet_onnx import installation
from quant_accuracy.quantization.both_aimets import say_whether_usable

if __name__ == "__main__":
    sys.exit(say_whether_usable(installation.PRODUCT, installation.require, installation.load_modules))
