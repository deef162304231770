"""`python -m quant_accuracy.quantization.aimet_onnx`: says whether AIMET for ONNX is installed and can be loaded."""

import sys

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.aimet_onnx.installation import PRODUCT, load_modules, require


def main() -> int:
    """Print one line; 2 where it cannot be used."""
    try:
        version = require()
        load_modules()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{PRODUCT} {version} is installed and can be loaded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
