"""A door to `quant-accuracy export-checkpoint`."""

import sys

from quant_accuracy.commands import export_checkpoint

if __name__ == "__main__":
    sys.exit(export_checkpoint.main())
