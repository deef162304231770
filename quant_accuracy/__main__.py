"""`python -m quant_accuracy` is `quant-accuracy`."""

import sys

from quant_accuracy import commands

if __name__ == "__main__":
    sys.exit(commands.main())
