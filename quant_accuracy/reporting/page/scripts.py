"""The script of the page, and what allows it to run."""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).resolve().parent / "templates" / "scripts"
# What the links open comes last: a filter that hides it has to be there.
_ORDER = ("sort.js", "copy.js", "quantizers.js", "images.js", "links.js")


class Script(NamedTuple):
    """A script, and its SHA-256 as a Content-Security-Policy names it."""

    text: str
    digest: str


def script() -> Script:
    """The page's one script: each file in a block of its own."""
    parts = [(_FOLDER / name).read_text(encoding="utf-8") for name in _ORDER]
    text = '"use strict";\n' + "".join(f"{{\n{part}}}\n" for part in parts)
    return Script(text, base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii"))
