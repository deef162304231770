"""How a command line ends: one clear line for what could not be measured, and an exit status that tells why."""

import sys
from typing import Callable

from quant_accuracy.errors import QuantAccuracyError

MEASURED, GATE_FAILED, NOT_MEASURED, INTERRUPTED = 0, 1, 2, 130


def exit_status(work: Callable[[], int]) -> int:
    """Run `work` and give its exit status, or the one of the error that ended it."""
    try:
        return work()
    except QuantAccuracyError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    except KeyboardInterrupt:
        print("interrupted; finished shards are kept, the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
