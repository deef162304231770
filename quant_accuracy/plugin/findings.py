"""What this process found out of each model: records while its tests run, JSON-like for the summary after them.

Under xdist the JSON goes from the workers to the process that the user started.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

import pytest

from quant_accuracy.base.errors import QuantAccuracyError, unexpected
from quant_accuracy.plugin import options

if TYPE_CHECKING:
    from quant_accuracy.detection.run import Detected
    from quant_accuracy.pipeline.evaluation import Evaluation
    from quant_accuracy.pipeline.prepared import Prepared
    from quant_accuracy.why.explanation import Answer

_OPEN = pytest.StashKey["Dict[str, Findings]"]()
_CLOSED = pytest.StashKey[Dict[str, Dict[str, Any]]]()


class Findings:
    """What the fixtures of one model have given so far.

    Attributes:
        prepared: None until then, as all of these.
        detections: By variant.
        evaluation: Both variants, evaluated and judged.
        answer: Where a loss comes from.
        baseline: The files of the new baseline.
    """

    def __init__(self) -> None:
        self.prepared: "Optional[Prepared]" = None
        self.detections: "Optional[Mapping[str, Detected]]" = None
        self.evaluation: "Optional[Evaluation]" = None
        self.answer: "Optional[Answer]" = None
        self.baseline: List[str] = []


def of(config: pytest.Config, model: str) -> Findings:
    """The findings of a model, to be added to."""
    nothing: Dict[str, Findings] = {}
    return config.stash.setdefault(_OPEN, nothing).setdefault(model, Findings())


def close(config: pytest.Config, model: str) -> None:
    """Keep of a model what the summary needs, and let its records go.

    Pictures are drawn here, where the evaluation is; pages are drawn by the process that the user started.
    """
    if _OPEN not in config.stash or model not in config.stash[_OPEN]:
        return
    nothing: Dict[str, Dict[str, Any]] = {}
    closed = config.stash.setdefault(_CLOSED, nothing)
    before, now = closed.get(model, {}), _as_document(config, model, config.stash[_OPEN].pop(model))
    # Tests in another order than pytest's own come back to a model, whose shards are in the cache by then.
    counts = [count for count in (before.get("images"), now.pop("images")) if count is not None]
    closed[model] = {**before, **{key: value for key, value in now.items() if value},
                     "images": max(counts) if counts else None}


def close_all(config: pytest.Config) -> Dict[str, Dict[str, Any]]:
    """What the summary needs, by model."""
    if _OPEN in config.stash:
        for model in [*config.stash[_OPEN].keys()]:
            close(config, model)
    return config.stash.get(_CLOSED, {})


def _as_document(config: pytest.Config, model: str, found: Findings) -> Dict[str, Any]:
    document: Dict[str, Any] = {"images": None, "baseline": found.baseline}
    if found.prepared is not None:
        artifacts = found.prepared.artifacts
        document["artifacts"] = [str(artifacts.float_folder), str(artifacts.quantsim_folder)]
        if artifacts.device is not None:
            document["integer_model"] = {**asdict(artifacts.device), "folder": str(artifacts.device.folder)}
        document["retried"] = [retry.line() for retry in found.prepared.retried]
        try:
            document["notes"] = list(found.prepared.notes() if found.evaluation is None else found.evaluation.notes)
        except QuantAccuracyError as error:
            document["notes"] = [str(error)]
    if found.detections is not None:
        document["images"] = max(run.speed.images if run.speed else 0 for run in found.detections.values())
    if found.evaluation is not None:
        try:
            document["report"], document["evidence"] = _report(config, model, found)
        except Exception as error:
            document["no_report"] = str(unexpected(error))
    return document


def _report(config: pytest.Config, model: str, found: Findings) -> Tuple[Optional[Mapping[str, Any]], List[str]]:
    """What the report says, and the files beside it, which need the evaluation and are written here."""
    values = options.values_of(config)
    if not (values.get("report") or values.get("history")):
        return None, []
    from quant_accuracy.reporting.document import contents
    from quant_accuracy.settings import folders

    assert found.evaluation is not None
    if values.get("report"):
        from quant_accuracy.reporting import output

        folder = folders.output(values, model)
        document = contents.as_document(found.evaluation, folder, found.answer)
        return document, [str(path) for path in output.write_evidence(found.evaluation, folder)]
    # A line in the history needs no pictures.
    return contents.essentials(found.evaluation), []
