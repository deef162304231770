"""A door to `quant-accuracy jitter`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["jitter", *sys.argv[1:]]))
