"""An evaluation's document as pages: HTML for a browser, Markdown for a pull request, JSON for programs."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import jinja2

from quant_accuracy import baseline, files
from quant_accuracy.errors import ConfigurationError
from quant_accuracy.metrics import FIGURES
from quant_accuracy.options import REPORT_FORMS
from quant_accuracy.reporting import gate_table
from quant_accuracy.verdicts import FAIL, INCONCLUSIVE, PASS

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_NO_GATES = "no gates"
# What Markdown reads as its own. Names are full of underscores; only one that ends a word can end emphasis.
_MARKDOWN = re.compile(r"[\\|`*~$\[]|_(?![^\W_])")


class _Comparison(NamedTuple):
    """A row that sets the float beside the quantized variant, as text."""

    name: str
    before: str
    after: str
    drop: str


class _Error(NamedTuple):
    """A row of the table of errors, as text: what AP50 would gain without this kind, and how many there are."""

    kind: str
    before: str
    after: str
    difference: str
    count_before: str
    count_after: str


class _Entry(NamedTuple):
    """A name and what is known of it, as text."""

    name: str
    value: str


class _Group(NamedTuple):
    """Entries that belong together."""

    name: str
    entries: Sequence[_Entry]


def render(document: Mapping[str, Any], form: str) -> str:
    """An evaluation's document in one of `REPORT_FORMS`.

    Args:
        document: What `contents.as_document` makes of an evaluation.
        form: `html` (one page that needs no other file), `json` or `md`.

    Raises:
        ConfigurationError: There is no such format.
    """
    if form not in REPORT_FORMS:
        raise ConfigurationError(f"{form!r} is no format of a report; choose from {', '.join(REPORT_FORMS)}")
    if form == "json":
        return json.dumps(document, indent=1, sort_keys=True) + "\n"
    return _environment(form).get_template(f"report.{form}.j2").render(_view(document))


def write(document: Mapping[str, Any], folder: Path, forms: Sequence[str]) -> List[Path]:
    """Write `report.<form>` in each of the formats, each whole or not at all; say where.

    Raises:
        ConfigurationError: There is no such format; then nothing is written.
        StorageError: The disk is full or the folder cannot be written.
    """
    pages = {folder / f"report.{form}": render(document, form) for form in forms}
    for target, text in pages.items():
        files.write_text(target, text)
    return list(pages)


@lru_cache(maxsize=None)
def _environment(form: str) -> jinja2.Environment:
    """What fills templates; whatever comes from data is escaped as the format needs it."""
    loader = jinja2.FileSystemLoader(str(_TEMPLATES))
    if form == "html":
        return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                  lstrip_blocks=True, keep_trailing_newline=True)
    return jinja2.Environment(loader=loader, autoescape=False, finalize=_escape_markdown, trim_blocks=True,
                              undefined=jinja2.StrictUndefined, lstrip_blocks=True, keep_trailing_newline=True)


def _escape_markdown(value: object) -> str:
    """One line that Markdown shows as it stands, in the cell of a table too."""
    line = " ".join(str(value).split())
    return _MARKDOWN.sub(r"\\\g<0>", line).replace("&", "&amp;").replace("<", "&lt;")


def _view(document: Mapping[str, Any]) -> Dict[str, Any]:
    """What the templates show, in the order of the page; every number is text by then."""
    before, after = document["metrics"]["float"], document["metrics"]["quantized"]
    classes = sorted({*before["per_class"], *after["per_class"]})
    outcomes = [verdict["outcome"] for verdict in document["verdicts"]]
    return {
        "model": document["model"],
        "outcome": _overall(outcomes),
        "counts": _counts(outcomes),
        "headline": _headline(document),
        "gates": [{**gate_table.row(verdict)._asdict(), "message": verdict["message"]}
                  for verdict in document["verdicts"]],
        "figures": _compare(FIGURES, before["figures"], after["figures"]),
        "classes": _compare(_worst_first(classes, before["per_class"], after["per_class"]),
                            before["per_class"], after["per_class"]),
        "errors": _errors(document["errors"]),
        "quantizers": _entries({"total": len(document["quantizers"]),
                                "enabled": sum(item["enabled"] for item in document["quantizers"])}),
        "batch_norms_left": [_Entry(item["batch_norm"], item["reason"]) for item in document["batch_norms_left"]],
        "provenance": _entries({name: value for name, value in document["provenance"].items()
                                if not isinstance(value, Mapping)}),
        "provenance_groups": [_Group(name, _entries(baseline.flat(value)))
                              for name, value in document["provenance"].items() if isinstance(value, Mapping)],
    }


def _overall(outcomes: Sequence[str]) -> str:
    """The worst outcome; a model without gates has not passed any."""
    return next((outcome for outcome in (FAIL, INCONCLUSIVE, PASS) if outcome in outcomes), _NO_GATES)


def _counts(outcomes: Sequence[str]) -> str:
    """How the gates ended: `4 gates: 3 pass, 1 fail`."""
    counted = [f"{outcomes.count(outcome)} {outcome}" for outcome in (PASS, FAIL, INCONCLUSIVE) if outcome in outcomes]
    gates = "1 gate" if len(outcomes) == 1 else f"{len(outcomes)} gates"
    return f"{gates}: {', '.join(counted)}" if counted else "the model card names no gates"


def _headline(document: Mapping[str, Any]) -> List[_Entry]:
    metrics = document["metrics"]
    return [_Entry("float mAP", gate_table.number(metrics["float"]["figures"].get("mAP"))),
            _Entry("quantized mAP", gate_table.number(metrics["quantized"]["figures"].get("mAP"))),
            _Entry("mAP drop", gate_table.number(document["mAP_drop"])),
            _Entry("images", _text(document["images"])),
            _Entry("shards", _text(document["shards"]))]


def _compare(names: Sequence[str], before: Mapping[str, Optional[float]],
             after: Mapping[str, Optional[float]]) -> List[_Comparison]:
    return [_Comparison(name, gate_table.number(before.get(name)), gate_table.number(after.get(name)),
                        gate_table.number(_drop(before.get(name), after.get(name)))) for name in names]


def _worst_first(names: Sequence[str], before: Mapping[str, Optional[float]],
                 after: Mapping[str, Optional[float]]) -> List[str]:
    """The names by how much was lost, most first; those without a figure come last."""
    def loss(name: str) -> float:
        drop = _drop(before.get(name), after.get(name))
        return float("-inf") if drop is None else drop

    return sorted(names, key=loss, reverse=True)


def _drop(before: Optional[float], after: Optional[float]) -> Optional[float]:
    return None if before is None or after is None else before - after


def _errors(errors: Mapping[str, Any]) -> List[_Error]:
    before, after, difference = (errors[name] for name in ("float", "quantized", "difference"))
    return [_Error(kind, *(gate_table.number(side["dap"][kind]) for side in (before, after, difference)),
                   *(f"{side['counts'][kind]:,}" for side in (before, after))) for kind in before["counts"]]


def _entries(values: Mapping[str, Any]) -> List[_Entry]:
    return [_Entry(name, _text(value)) for name, value in values.items()]


def _text(value: Any) -> str:
    if value is None:
        return gate_table.NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
