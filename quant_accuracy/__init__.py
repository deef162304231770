"""The engine behind the accuracy suite for quantized object detectors; it knows nothing about pytest."""

import logging
import os
import warnings
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from pathlib import Path

    from quant_accuracy.reporting.document.read_report import ReportedRun

__all__ = ["__version__", "read_report"]
__version__ = "0.1.0"

# TensorFlow 1.15 fills the terminal with notes about its own future, from the moment of its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# TensorFlow's threads belong to the process, as many as its first session asked for, whatever later sessions ask. With
# this each session has its own, so that the sums of ours do not depend on who opened a session before.
os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", category=FutureWarning, module=r"tensor(flow|board)\.")
warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(tensorflow|object_detection|nets)\.")


def read_report(path: "Union[str, Path]") -> "ReportedRun":
    """Read back what a report left: figures, verdicts, provenance, and where the detections lie.

    Args:
        path: The output folder of a report, or its `report.json`.

    Raises:
        ConfigurationError: The report is missing or damaged, or another version wrote it.
    """
    from pathlib import Path

    from quant_accuracy.reporting.document import read_report as reports

    return reports.read_run(Path(path))
