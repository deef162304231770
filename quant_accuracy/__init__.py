"""An accuracy regression suite for quantized object detectors; `docs/plugin.md` says what of it is public."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Union

if TYPE_CHECKING:
    from quant_accuracy.artifacts.records import Artifacts, Checkpoint
    from quant_accuracy.base.errors import QuantAccuracyError
    from quant_accuracy.data.annotations import Annotations
    from quant_accuracy.data.shards import Shard
    from quant_accuracy.detection.run import Detected
    from quant_accuracy.judging.jitter import Jitter
    from quant_accuracy.judging.verdicts import Verdict
    from quant_accuracy.pipeline.evaluation import Evaluation
    from quant_accuracy.pipeline.prepared import Prepared
    from quant_accuracy.pipeline.variant import Variant
    from quant_accuracy.quantization.records import Quantizer
    from quant_accuracy.reporting.document.read_report import ReportedRun
    from quant_accuracy.scoring.metrics import Metrics
    from quant_accuracy.settings.card import ModelCard

__all__ = ["Annotations", "Artifacts", "Checkpoint", "Detected", "Evaluation", "Jitter", "Metrics", "ModelCard",
           "Prepared", "QuantAccuracyError", "Quantizer", "ReportedRun", "Shard", "Variant", "Verdict", "__version__",
           "read_report"]
__version__ = "0.1.0"

# Where the public records are; each is imported when it is asked for.
_HOMES = {
    "Annotations": "data.annotations",
    "Artifacts": "artifacts.records",
    "Checkpoint": "artifacts.records",
    "Detected": "detection.run",
    "Evaluation": "pipeline.evaluation",
    "Jitter": "judging.jitter",
    "Metrics": "scoring.metrics",
    "ModelCard": "settings.card",
    "Prepared": "pipeline.prepared",
    "QuantAccuracyError": "base.errors",
    "Quantizer": "quantization.records",
    "ReportedRun": "reporting.document.read_report",
    "Shard": "data.shards",
    "Variant": "pipeline.variant",
    "Verdict": "judging.verdicts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})


def read_report(path: Union[str, Path]) -> "ReportedRun":
    """Read back what a report left: figures, verdicts, provenance, and where the detections lie.

    TensorFlow is not imported for it.

    Args:
        path: The output folder of a report, or its `report.json`.

    Raises:
        ConfigurationError: The report is missing or damaged, or another version wrote it.
    """
    from quant_accuracy.reporting.document import read_report as reports

    return reports.read_run(Path(path))
