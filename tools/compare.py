"""A door to `quant-accuracy compare`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["compare", *sys.argv[1:]]))
