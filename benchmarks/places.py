"""Where the checkout lies that is measured."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
