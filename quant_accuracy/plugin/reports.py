"""What a run writes at its end, whichever processes found it out: reports, history, an exported simulation."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.settings import folders
from quant_accuracy.settings.values import Values

# What each process found out, by model: see `findings`.
Found = Sequence[Mapping[str, Mapping[str, Any]]]


class Told(NamedTuple):
    """What is to be said of what was written.

    Attributes:
        lines: What was written, and what was not.
        failed: Whether something could not be written.
    """

    lines: List[str]
    failed: bool = False


def write(found: Found, values: Values) -> Told:
    """Write reports and history as the options ask for; say what was written and what was not."""
    forms, kept = values.get("report") or (), values.get("history")
    if not forms and not kept:
        return Told([])
    documents = dict(sorted(of_models(found, "report"), key=lambda item: item[1].get("why") is not None))
    failures = {name: failure for name, failure in of_models(found, "no_report") if name not in documents}
    if not documents and not failures:
        return Told(["no report was written: none of the selected tests evaluates images"])
    lines = [f"no report of {name} was written: {failure}" for name, failure in sorted(failures.items())]
    failed = bool(failures)
    for name, document in sorted(documents.items()):
        # A worker of pytest-xdist, which may have made it, was not started by a command line.
        document = {**document, "run": {**document["run"], "command": invocation.typed()}}
        document, remembered = _remembered(document, kept) if kept else (document, Told([]))
        written = _written(document, folders.output(values, name), forms)
        # Several processes may have written them, each the same.
        beside = dict.fromkeys(path for model, paths in of_models(found, "evidence") if model == name for path in paths)
        lines += [*written.lines, *(f"wrote {path}" for path in beside), *remembered.lines]
        failed |= written.failed or remembered.failed
    return Told(lines, failed)


def export(found: Found, values: Values) -> Told:
    """Export the simulation of each model, once, where the options ask for it."""
    if values.get("quantsim_output_dir") is None:
        return Told([])
    artifacts = dict(of_models(found, "artifacts"))
    if not artifacts:
        return Told(["no quantization simulation was exported: none of the selected tests makes one"])
    models = dict(of_models(found, "integer_model"))
    told = [_exported(made, models.get(name), values, name) for name, made in sorted(artifacts.items())]
    return Told([line for lines, _ in told for line in lines], any(failed for _, failed in told))


def of_models(found: Found, what: str) -> Iterable[Tuple[str, Any]]:
    """What each process found out of each model under this name, where it did."""
    return [(model, known[what]) for process in found for model, known in process.items() if known.get(what)]


def _written(document: Mapping[str, Any], folder: Path, forms: Sequence[str]) -> Told:
    # What draws pages takes a while to import.
    from quant_accuracy.reporting.page import pages

    try:
        return Told([f"wrote {path}" for path in pages.write(document, folder, forms)])
    except QuantAccuracyError as error:
        return Told([f"no report was written: {error}"], failed=True)


def _exported(artifacts: Sequence[str], integer_model: Optional[Mapping[str, str]], values: Values, model: str) -> Told:
    # TensorFlow, which the process that the user started may not have needed so far.
    from quant_accuracy.artifacts import records
    from quant_accuracy.artifacts.records import DeviceModel
    from quant_accuracy.reporting import output

    folder = folders.quantsim(values, model)
    assert folder is not None
    try:
        made = records.read(*map(Path, artifacts))
        if integer_model is not None:
            made = replace(made, device=DeviceModel(integer_model["kind"], integer_model["identity"],
                                                    Path(integer_model["folder"])))
        return Told([f"wrote {path}" for path in output.export_quantsim(made, folder)])
    except QuantAccuracyError as error:
        return Told([f"no quantization simulation was exported: {error}"], failed=True)


def _remembered(document: Mapping[str, Any], kept: Path) -> Tuple[Mapping[str, Any], Told]:
    """The document with the history that it belongs to, and what happened."""
    from quant_accuracy.reporting.document import history

    try:
        return history.remember(Path(kept), document), Told([f"added a line to {kept}"])
    except QuantAccuracyError as error:
        return document, Told([f"nothing was added to the history: {error}"], failed=True)
