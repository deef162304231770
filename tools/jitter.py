"""A door to `quant-accuracy jitter`."""

import sys

from quant_accuracy.commands import jitter

if __name__ == "__main__":
    sys.exit(jitter.main())
