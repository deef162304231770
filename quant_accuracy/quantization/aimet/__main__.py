"""Says which AIMET is installed and that it can be loaded: `python -m quant_accuracy.quantization.aimet`."""

import sys

from quant_accuracy.quantization.aimet import installation
from quant_accuracy.quantization.both_aimets import say_whether_usable

if __name__ == "__main__":
    sys.exit(say_whether_usable("AIMET", installation.require, installation.load_modules))
