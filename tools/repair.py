"""A door to `quant-accuracy repair`."""

import sys
from pathlib import Path

# Of this checkout, whichever Python is used: what it lacks is said in one line then.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["repair", *sys.argv[1:]]))
