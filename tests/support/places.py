"""Where things of the checkout lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What the real AIMET made, for tests to compare with.
REFERENCE = ROOT / "tests" / "reference"
