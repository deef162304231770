"""A door to `quant-accuracy export-checkpoint`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["export-checkpoint", *sys.argv[1:]]))
