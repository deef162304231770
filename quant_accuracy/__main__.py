"""`python -m quant_accuracy` is `quant-accuracy`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main())
