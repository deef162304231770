"""A door to `quant-accuracy report`."""

import sys

from quant_accuracy.commands import report

if __name__ == "__main__":
    sys.exit(report.main())
