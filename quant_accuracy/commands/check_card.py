"""Check a model card: all that can be known without running the model, all faults at once.

Exit status: 0 when there is no fault, 2 when there is one.
"""

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from quant_accuracy.base import command_line


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="quant-accuracy check-card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cards", nargs="+", metavar="CARD", help="model card: the path of a .yaml file, or the name of "
                        "one in models/ or of a shipped one")
    values = parser.parse_args(arguments)
    return command_line.exit_status(lambda: _check(values.cards))


def _check(cards: List[str]) -> int:
    # Graphs are read by TensorFlow, which takes seconds to import: not before the command line is known to be right.
    from quant_accuracy.settings import card_check  # type: ignore[attr-defined]

    faulty = False
    for card in cards:
        faults = card_check.check(Path(card))
        for fault in faults:
            print(fault, file=sys.stderr)
        print(f"{card}: {'no fault' if not faults else '1 fault' if len(faults) == 1 else f'{len(faults)} faults'}")
        faulty |= bool(faults)
    return command_line.NOT_MEASURED if faulty else command_line.MEASURED
