"""A door to `quant-accuracy compare`."""

import sys

from quant_accuracy.commands import compare

if __name__ == "__main__":
    sys.exit(compare.main())
