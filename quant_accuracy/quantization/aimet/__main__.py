"""Says which AIMET is installed and that it can be loaded: `python -m quant_accuracy.quantization.aimet`."""

import sys

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.aimet import installation


def main() -> int:
    """Check the installation.

    Returns:
        The exit status: 0, or 2 where AIMET is not installed or cannot be loaded.
    """
    try:
        version = installation.require()
        installation.load_modules()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"AIMET {version} is installed and can be loaded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
