"""What ends an installation, and how it is said."""

import sys


class InstallationError(Exception):
    """An installation that cannot be made; the message is one line, with what to do."""


def say(text: str) -> None:
    """Write a line that the user is to see."""
    sys.stderr.write(f"run: {text}\n")
    sys.stderr.flush()
