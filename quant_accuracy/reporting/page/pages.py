"""A report's document as pages: HTML for a browser, Markdown for a pull request, JSON for programs."""

import base64
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import jinja2
from markupsafe import Markup, escape

from quant_accuracy.base import files
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.base.words import REPORT_FORMS
from quant_accuracy.reporting.page import overlay, scripts, views

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_TEMPLATES = Path(__file__).resolve().parent / "templates"
# What Markdown reads as its own. Names are full of underscores; only one that ends a word can end emphasis.
_MARKDOWN = re.compile(r"[\\|`*~$\[]|_(?![^\W_])")
# A plain word; names have other characters in them, or nothing behind them.
_FIRST_WORD = re.compile(r"[a-z]+[ ,:;]")
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


def render(document: Mapping[str, Any], form: str, folder: Path) -> str:
    """A report's document in one of `REPORT_FORMS`.

    Args:
        document: What `contents.as_document` makes of an evaluation.
        form: `html` (one page that needs no other file), `json` or `md`.
        folder: Where the pictures that the document names lie.

    Raises:
        ConfigurationError: There is no such format.
    """
    if form not in REPORT_FORMS:
        raise ConfigurationError(f"{form!r} is not a report format; choose from {', '.join(REPORT_FORMS)}")
    if form == "json":
        return json.dumps(document, indent=1, sort_keys=True) + "\n"
    shown = views.view(document)
    if form == "html":
        shown.update(_drawn(document), **{key: [{**image, "source": _embedded(folder / image["picture"]),
                                                 "drawn": overlay.draw(image)} for image in shown[key]]
                                          for key in ("images", "device_images")})
    return filled(f"report.{form}.j2", form, shown)


def filled(template: str, form: str, shown: Mapping[str, Any]) -> str:
    """A template with what it shows; `form` says how that is escaped, `html` or `md`."""
    text = _environment(form).get_template(template).render(shown)
    # Names from JSON may hold halves of characters, which no file takes.
    return text.encode("utf-8", "replace").decode("utf-8")


def write(document: Mapping[str, Any], folder: Path, forms: Sequence[str]) -> List[Path]:
    """Write `report.<form>` in each of the formats, each whole or not at all; say where.

    Raises:
        ConfigurationError: There is no such format; then nothing is written.
        StorageError: The disk is full or the folder cannot be written.
    """
    pages = {folder / f"report.{form}": render(document, form, folder) for form in forms}
    for target, text in pages.items():
        files.write_text(target, text)
    return list(pages)


def append_step_summary(text: str) -> None:
    """Add Markdown to the summary of a CI step, where the environment variable GITHUB_STEP_SUMMARY names its file.

    Raises:
        StorageError: The file cannot be written.
    """
    path = os.environ.get(SUMMARY_VARIABLE)
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text if text.endswith("\n") else f"{text}\n")
    except OSError as error:
        raise StorageError(f"{path}: the step's summary cannot be written ({error.strerror}); let {SUMMARY_VARIABLE} "
                           "name a file that can be written, or unset it") from error


def _drawn(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What only the HTML page has: plots, and its script."""
    # Half a second for matplotlib.
    from quant_accuracy.reporting.page import plots

    return {"plots": plots.draw(document), **scripted()}


def scripted() -> Dict[str, Any]:
    """What a page needs for its script: the script itself, and what allows it to run."""
    script = scripts.script()
    return {"script": Markup(script.text), "script_digest": script.digest}


def _embedded(picture: Path) -> Optional[str]:
    """A picture as an address that holds it; None where it is missing or is neither JPEG nor PNG."""
    try:
        content = picture.read_bytes()
    except (OSError, ValueError):
        return None
    kind = next((kind for start, kind in _PICTURES.items() if content.startswith(start)), None)
    return kind and f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@lru_cache(maxsize=None)
def _environment(form: str) -> jinja2.Environment:
    """What fills templates; whatever comes from data is escaped as the format needs it."""
    # What is escaped for Markdown is not escaped once more for HTML.
    found = jinja2.Environment(loader=jinja2.FileSystemLoader(str(_TEMPLATES)), autoescape=True,
                               finalize=_escape_markdown if form == "md" else None, undefined=jinja2.StrictUndefined,
                               trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    found.filters.update(breakable=_breakable, sentence=_sentence)
    return found


def _sentence(text: str) -> str:
    """A text that begins with a capital letter, unless its first word is a name."""
    return text[:1].upper() + text[1:] if _FIRST_WORD.match(text) else text


def _breakable(name: object) -> Markup:
    """A long name that may go on in the next line after a slash, or a point before a letter."""
    return Markup(re.sub(r"(/|\.(?=[A-Za-z]))", r"\1<wbr>", str(escape(name))))


def _escape_markdown(value: object) -> Markup:
    """One line that Markdown shows as it stands, in the cell of a table too; what a macro made stays as it is."""
    if isinstance(value, Markup):
        return value
    line = " ".join(str(value).split())
    return Markup(_MARKDOWN.sub(r"\\\g<0>", line).replace("&", "&amp;").replace("<", "&lt;"))
