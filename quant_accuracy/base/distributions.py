"""What is installed, as its metadata says: Python's own module since 3.8, the package of the same content before."""

import sys
from typing import Optional

__all__ = ["metadata", "version"]

if sys.version_info >= (3, 8):
    from importlib import metadata
else:
    import importlib_metadata as metadata


def version(name: str) -> Optional[str]:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
