"""The code that results come from, as part of their name in the cache."""

import functools
from pathlib import Path

from quant_accuracy.base import files

_PACKAGE = Path(__file__).resolve().parent.parent


@functools.lru_cache(maxsize=None)
def code_digest(*packages: str) -> str:
    """The digest of the code of some of this engine's packages: results of other code are other results."""
    sources = sorted(path for package in packages for path in (_PACKAGE / package).rglob("*.py"))
    return files.digest_value([[str(path.relative_to(_PACKAGE)), files.digest_file(path)] for path in sources])
