"""What of a report is shown beside those of other runs and compared with nothing: its own intervals, its history."""

from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from quant_accuracy.base.documents import Section, read_json
from quant_accuracy.base.errors import ConfigurationError, first_line, shown
from quant_accuracy.base.words import DEVICE, VARIANTS
from quant_accuracy.reporting.document.read_report import AGAIN, ReportedRun
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import FIGURES

DROP = "drop"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class PastRun(NamedTuple):
    """A run of a model's history: when it ended, and what its figures were; None without ground truth."""

    ended: datetime
    quantized_map: Optional[float]
    drop: Optional[float]


class Shown(NamedTuple):
    """What a report says of its own figures.

    Attributes:
        intervals: 95 % intervals of COCO's figures, by variant and of their `drop`; those that are known.
        history: The runs of its model, oldest first; empty without a history.
    """

    intervals: Mapping[str, Mapping[str, Interval]]
    history: Sequence[PastRun]


def read(run: ReportedRun) -> Shown:
    """Read it from the file that the run was read from.

    Raises:
        ConfigurationError: The file is damaged.
    """
    try:
        document = read_json(run.path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{run.path}: cannot be read ({first_line(error)}); {AGAIN}") from error
    whole = Section(str(run.path), "", document, f"the report, or {AGAIN}")
    found = {name: _intervals(whole.section("intervals").section(name)) for name in (*VARIANTS, DROP)}
    if document.get(DEVICE) is not None:
        found[DEVICE] = _intervals(whole.section(DEVICE).section("intervals").section(DEVICE))
    return Shown(found, _history(whole))


def _intervals(section: Section) -> Dict[str, Interval]:
    known = section.items()
    return {name: Interval(*section.numbers(name, 2)) for name in FIGURES if known.get(name) is not None}


def _history(whole: Section) -> List[PastRun]:
    listed: Any = whole.items().get("history")
    if not isinstance(listed, list):
        raise whole.error("history", f"is not a list; {AGAIN}")
    return [_past(whole.within(f"history.{number}", item)) for number, item in enumerate(listed)]


def _past(section: Section) -> PastRun:
    time = section.text("time")
    try:
        ended = datetime.strptime(time, _TIME).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise section.error("time", f"is {shown(time)}, no time such as 2019-10-15T12:00:00Z; {AGAIN}") from error
    return PastRun(ended, section.known_real("quantized_mAP", 0, 1), section.known_real("drop", -1, 1))
