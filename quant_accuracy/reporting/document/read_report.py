"""What a report left, read back: figures, verdicts, quantizers, detections."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from quant_accuracy.base import invocation
from quant_accuracy.base.documents import Section, read_json
from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.base.words import DEVICE, REPORT_SCHEMA_VERSION, VARIANTS
from quant_accuracy.data.identifiers import as_integer
from quant_accuracy.detection.merge import Results
from quant_accuracy.judging.verdicts import CHECK, GATE, OUTCOMES, Verdict
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.snapshot import Placed
from quant_accuracy.scoring import metrics
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import Metrics

# Before there were devices, and before there were repairs and what only the page shows; everything else is as it was.
_OLDER = (5, 6)
# Of the reports that can be read.
SNAPSHOT_FILE = "snapshot.json"
# Where a report says which annotation file it was scored with.
ANNOTATIONS_KEY = "annotations"
# Where it compares a device's integer model with the simulation op by op.
DEPTH_KEY = "device_depth"
# Where it says how a red card can be repaired.
REPAIR_KEY = "repair"
AGAIN = f"make it again with {invocation.REPORT}"


class ReportedDevice(NamedTuple):
    """What a report says of a device.

    Attributes:
        missing: Number of evaluated images that it had not run.
        drop: Quantized mAP - device mAP on those that it had.
        whole_drop: Float mAP - device mAP on these.
        agreement: Which share of the simulation's detections it had, too.
    """

    missing: int
    drop: Optional[float]
    whole_drop: Optional[float]
    agreement: Optional[float]


@dataclass(frozen=True)
class ReportedRun:
    """A run as its report tells it.

    Attributes:
        path: Its `report.json`.
        model: Name of the model card.
        images: Number of evaluated images.
        shards: The evaluated shards, such as `0-3`.
        metrics: COCO's figures by variant; of a device where there was one.
        device: What the device lost; None where there was none.
        verdicts: What the gates and checks said.
        provenance: What the metrics were measured from.
        annotations: The annotation file, where the report names one.
    """

    path: Path
    model: str
    images: int
    shards: str
    metrics: Mapping[str, Metrics]
    device: Optional[ReportedDevice]
    verdicts: Sequence[Verdict]
    provenance: Mapping[str, Any]
    annotations: Optional[Path]

    @property
    def folder(self) -> Path:
        """Where the other files of the run lie."""
        return self.path.parent

    def detections(self, variant: str) -> Path:
        """Where the detections of a variant lie, if they were kept."""
        return self.folder / "detections" / f"{variant}.json"

    def figures(self, variant: str) -> Mapping[str, Optional[float]]:
        """COCO's figures of a variant; nothing where the run does not have it."""
        return self.metrics[variant].figures if variant in self.metrics else {}

    def per_class(self, variant: str) -> Mapping[str, Optional[float]]:
        """The AP of each class of a variant; nothing where the run does not have it."""
        return self.metrics[variant].per_class if variant in self.metrics else {}

    def drop(self) -> Optional[float]:
        """Float mAP - quantized mAP."""
        before, after = (self.metrics[variant].figures["mAP"] for variant in VARIANTS)
        return None if before is None or after is None else before - after

    def data(self) -> Mapping[str, Any]:
        """The part of the provenance that says which images were evaluated."""
        found: Mapping[str, Any] = self.provenance["data"]
        return found


def read_run(given: Path) -> ReportedRun:
    """Read what a report left.

    Args:
        given: Its output folder, or its `report.json`.

    Raises:
        ConfigurationError: The report is missing or damaged, or another version wrote it.
    """
    path = given / "report.json" if given.is_dir() else given
    document = _read_json(path, _missing_report(given, path))
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: is not a report; {AGAIN}")
    whole = Section(str(path), "", document, f"the report, or {AGAIN}").of_version(
        REPORT_SCHEMA_VERSION, AGAIN, _OLDER)
    provenance = whole.section("provenance")
    provenance.section("data").section("shards")
    provenance.section("data").get("annotations")
    recorded = document.get(ANNOTATIONS_KEY)
    device = None if document.get(DEVICE) is None else whole.section(DEVICE)
    found = {variant: metrics.read(whole.section("metrics").section(variant)) for variant in VARIANTS}
    if device is not None:
        found[DEVICE] = metrics.read(device.section("metrics").section(DEVICE))
    return ReportedRun(path, whole.text("model"), whole.number("images", 0, 10 ** 9), whole.text("shards"), found,
                       None if device is None else _device(device), _verdicts(whole), provenance.items(),
                       Path(recorded) if isinstance(recorded, str) else None)


def _device(section: Section) -> ReportedDevice:
    drop, whole_drop = (section.known_real(key, -1, 1) for key in ("mAP_drop", "whole_mAP_drop"))
    return ReportedDevice(section.number("missing", 0, 10 ** 9), drop, whole_drop,
                          section.section("agreement").known_real("share", 0, 1))


def _missing_report(given: Path, path: Path) -> str:
    """What to say where there is no report; several models have a folder each."""
    below = sorted(found.parent.name for found in given.glob("*/report.json")) if given.is_dir() else []
    remedy = f"name one of its folders: {', '.join(below)}" if below else \
        f"name an output folder of {invocation.REPORT}"
    return f"{path}: no such file; {remedy}"


def _read_json(path: Path, missing: str) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise ConfigurationError(missing) from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); see that it can, or {AGAIN}") from error
    except ValueError as error:
        # A page or a summary is no report that can be read, whatever made it.
        other = f"name the report.json beside it, or {AGAIN}" if path.suffix != ".json" else AGAIN
        raise ConfigurationError(f"{path}: cannot be read ({first_line(error)}); {other}") from error


def _verdicts(whole: Section) -> List[Verdict]:
    listed = whole.get("verdicts")
    if not isinstance(listed, list):
        raise whole.error("verdicts", f"is not a list; {AGAIN}")
    return [_verdict(whole.within(f"verdicts.{number}", item)) for number, item in enumerate(listed)]


def _verdict(section: Section) -> Verdict:
    outcome = section.text("outcome")
    if outcome not in OUTCOMES:
        raise section.error("outcome", f"is {outcome!r}, not one of {', '.join(OUTCOMES)}; {AGAIN}")
    kind = section.text("kind")
    if kind not in (GATE, CHECK):
        raise section.error("kind", f"is {kind!r}, not {GATE} or {CHECK}; {AGAIN}")
    value, lower, upper, moves = (section.known_real(key, -1e9, 1e9) for key in ("value", "lower", "upper", "jitter"))
    interval = None if section.items().get("interval") is None else Interval(*section.numbers("interval", 2))
    figure, known = (None if section.items().get(key) is None else section.text(key)
                     for key in ("figure", "known_failure"))
    return Verdict(section.text("gate"), value, lower, upper, outcome, section.text("message"), interval, moves, figure,
                   kind, known)


def read_quantizers(folder: Path) -> Optional[List[Placed]]:
    """The quantizers that a report left, as `snapshot.write` has it; None where it left none.

    Raises:
        ConfigurationError: The file is damaged.
    """
    path = folder / SNAPSHOT_FILE
    return snapshot.read(path, AGAIN) if path.exists() else None


def detections_of(run: ReportedRun, variant: str) -> Results:
    """The detections of a variant, as `read_detections` has them; as many as the report says.

    Raises:
        ConfigurationError: The file is missing or damaged, or is not that of the report.
    """
    path, wanted = run.detections(variant), run.metrics[variant].detections
    found = read_detections(path)
    if len(found) != wanted:
        raise ConfigurationError(f"{path}: holds {len(found)} detections, but {run.path} says {wanted}; {AGAIN}")
    return found


def read_detections(path: Path) -> Results:
    """Read detections in COCO's results format, sorted by image id.

    Raises:
        ConfigurationError: The file is missing or is not COCO's results format.
    """
    records = _read_json(path, f"{path}: no such file; {AGAIN}")
    try:
        if not isinstance(records, list):
            raise TypeError("not a list")
        rows = [(item["image_id"], *item["bbox"], item["score"], item["category_id"]) for item in records]
        if any(len(row) != 7 for row in rows):
            raise TypeError("a box does not have four numbers")
        numbers = np.array([row[1:6] for row in rows], np.float64).reshape(len(rows), 5)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"{path}: is not a list of COCO results; {AGAIN}") from error
    if not np.isfinite(numbers).all():
        raise ConfigurationError(f"{path}: holds numbers that are not finite; {AGAIN}")
    try:
        found = Results.from_rows([(as_integer(row[0]), *row[1:6], as_integer(row[6])) for row in rows])
    except ValueError as error:
        raise ConfigurationError(f"{path}: holds an id that {error}; {AGAIN}") from error
    return found.take(np.argsort(found.images, kind="stable"))
