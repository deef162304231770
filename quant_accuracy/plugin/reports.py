"""What a run writes at its end, whichever processes found it out: reports, history, an exported simulation."""

from pathlib import Path
from typing import Any, Iterable, List, Mapping, Sequence, Tuple

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.settings import folders
from quant_accuracy.settings.values import Values

# What each process found out, by model: see `findings`.
Found = Sequence[Mapping[str, Mapping[str, Any]]]


class NotWritten(str):
    """A line of something that was asked for and could not be written."""


def write(found: Found, values: Values) -> List[str]:
    """Write reports and history as the options ask for; say what was written and what was not."""
    forms, kept = values.get("report") or (), values.get("history")
    if not forms and not kept:
        return []
    documents = dict(sorted(of_models(found, "report"), key=lambda item: item[1].get("why") is not None))
    failures = {name: failure for name, failure in of_models(found, "no_report") if name not in documents}
    if not documents and not failures:
        return ["no report was written: none of the selected tests evaluates images"]
    lines: List[str] = [NotWritten(f"no report of {name} was written: {failure}")
                        for name, failure in sorted(failures.items())]
    for name, document in sorted(documents.items()):
        document, remembered = _remembered(document, kept) if kept else (document, [])
        lines += _written(document, folders.output(values, name), forms)
        lines += remembered
    return lines


def export(found: Found, values: Values) -> List[str]:
    """Export the simulation of each model, once, where the options ask for it."""
    if values.get("quantsim_output_dir") is None:
        return []
    artifacts = dict(of_models(found, "artifacts"))
    if not artifacts:
        return ["no quantization simulation was exported: none of the selected tests makes one"]
    return [line for name, made in sorted(artifacts.items()) for line in _exported(made, values, name)]


def of_models(found: Found, what: str) -> Iterable[Tuple[str, Any]]:
    """What each process found out of each model under this name, where it did."""
    return [(model, known[what]) for process in found for model, known in process.items() if known.get(what)]


def _written(document: Mapping[str, Any], folder: Path, forms: Sequence[str]) -> List[str]:
    # What draws pages takes a while to import.
    from quant_accuracy.reporting.page import pages

    try:
        return [f"wrote {path}" for path in pages.write(document, folder, forms)]
    except QuantAccuracyError as error:
        return [NotWritten(f"wrote nothing: {error}")]


def _exported(artifacts: Sequence[str], values: Values, model: str) -> List[str]:
    # TensorFlow, which the process that the user started may not have needed so far.
    from quant_accuracy.artifacts import records
    from quant_accuracy.reporting import output

    folder = folders.quantsim(values, model)
    assert folder is not None
    try:
        return [f"wrote {path}" for path in output.export_quantsim(records.read(*map(Path, artifacts)), folder)]
    except QuantAccuracyError as error:
        return [NotWritten(f"no quantization simulation was exported: {error}")]


def _remembered(document: Mapping[str, Any], kept: Path) -> Tuple[Mapping[str, Any], List[str]]:
    """The document with the history that it belongs to, and what happened."""
    from quant_accuracy.reporting.document import history

    try:
        return history.remember(Path(kept), document), [f"added a line to {kept}"]
    except QuantAccuracyError as error:
        return document, [NotWritten(f"nothing was added to the history: {error}")]
