"""A door to `quant-accuracy report`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["report", *sys.argv[1:]]))
