"""Two runs side by side: what changed from one report to another, and whether other images would say so too.

Differences are those of the second run from the first: a figure that got worse has a negative one, a drop that grew a
positive one.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import DEVICE, QUANTIZED, VARIANTS
from quant_accuracy.judging import baseline, jitter
from quant_accuracy.judging.verdicts import CHECK, PASS, Verdict
from quant_accuracy.quantization import snapshot
from quant_accuracy.quantization.snapshot import Drift
from quant_accuracy.reporting import gate_table
from quant_accuracy.reporting.document import read_report
from quant_accuracy.reporting.document.read_report import ReportedRun
from quant_accuracy.reporting.paired import DEVICE_DROP, DEVICE_MAP, Paired, measure
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.scoring.metrics import FIGURES

SCHEMA_VERSION = 2
DEVICE_AGREEMENT = "device agreement"


@dataclass(frozen=True)
class Change:
    """A figure in both runs; None where a run does not have it."""

    name: str
    before: Optional[float]
    after: Optional[float]

    @property
    def difference(self) -> Optional[float]:
        """How much larger it is in the second run."""
        return _minus(self.after, self.before)


@dataclass(frozen=True)
class VerdictChange:
    """A gate or check whose outcome or limit is not the same in both runs; None where a run does not have it."""

    gate: str
    before: Optional[Verdict]
    after: Optional[Verdict]


@dataclass(frozen=True)
class QuantizerChanges:
    """How the quantizers changed.

    Attributes:
        missing: Why that is not known; empty where it is.
        placement: One line for each quantizer that came, went or changed.
        drifts: How far each encoding has moved, worst first; of those that moved.
    """

    missing: str = ""
    placement: Sequence[str] = ()
    drifts: Sequence[Drift] = ()


@dataclass(frozen=True)
class Comparison:
    """Everything that is known of the way from one run to another.

    Attributes:
        before: The first run.
        after: The second run.
        headline: Float mAP, quantized mAP and mAP drop; of a device, where a run has one, its mAP, its drop from the
            simulation and its agreement with it.
        figures: COCO's 12 figures by variant; those of a device where a run has one.
        classes: The AP of each class by variant; all in the same order, the worst change of the quantized AP first.
        verdicts: The gates and checks that say something else, or judge by another limit.
        provenance: What the runs were measured from, where it differs.
        quantizers: How the quantizers changed.
        paired: Whether other images would say the same.
    """

    before: ReportedRun
    after: ReportedRun
    headline: Sequence[Change]
    figures: Mapping[str, Sequence[Change]]
    classes: Mapping[str, Sequence[Change]]
    verdicts: Sequence[VerdictChange]
    provenance: Sequence[str]
    quantizers: QuantizerChanges
    paired: Paired


def compare(first: Path, second: Path, annotations: Optional[Path] = None) -> Comparison:
    """Set two runs side by side.

    Args:
        first: The output folder of a report, or its `report.json`.
        second: The same, of the other run.
        annotations: The annotation file that both were scored with; None takes the one that the reports name.

    Raises:
        ConfigurationError: A file is missing or damaged, or the runs evaluated different images.
        DataError: The annotation file is missing or damaged.
    """
    before, after = read_report.read_run(first), read_report.read_run(second)
    _check_same_images(before, after)
    return Comparison(
        before, after,
        headline=_headline(before, after),
        figures={variant: _changes(FIGURES, *(run.figures(variant) for run in (before, after)))
                 for variant in _variants(before, after)},
        classes=_classes(before, after),
        verdicts=_verdict_changes(before.verdicts, after.verdicts),
        provenance=baseline.differences(before.provenance, after.provenance),
        quantizers=_quantizer_changes(before.folder, after.folder),
        paired=measure(before, after, annotations))


def as_document(found: Comparison) -> Dict[str, Any]:
    """A comparison, JSON-like; within a schema version no field changes its meaning."""
    return {
        "schema_version": SCHEMA_VERSION,
        "before": _run_document(found.before),
        "after": _run_document(found.after),
        "headline": _change_documents(found.headline),
        "figures": {variant: _change_documents(changes) for variant, changes in found.figures.items()},
        "per_class": {variant: _change_documents(changes) for variant, changes in found.classes.items()},
        "verdicts": [asdict(change) for change in found.verdicts],
        "provenance": list(found.provenance),
        "quantizers": {"missing": found.quantizers.missing, "placement": list(found.quantizers.placement),
                       "drifts": [dict(drift._asdict()) for drift in found.quantizers.drifts]},
        "paired": {"intervals": {name: list(interval) for name, interval in found.paired.intervals.items()},
                   "images": found.paired.images, "note": found.paired.note},
    }


def meaning(figure: str, interval: Optional[Interval]) -> str:
    """What an interval says of a difference: of a drop, more is worse."""
    if interval is None:
        return ""
    if interval.low == interval.high == 0:
        return "the same"
    if interval.low <= 0 <= interval.high:
        return "other images may say the opposite"
    return "worse" if (interval.low > 0) == (figure in (jitter.DROP, DEVICE_DROP)) else "better"


def signed(value: Optional[float]) -> str:
    """A difference: four digits behind the point and a sign, which a zero has not."""
    shown = gate_table.number(value)
    return f"+{shown}" if value is not None and round(value, 4) > 0 else shown


def _check_same_images(before: ReportedRun, after: ReportedRun) -> None:
    """Shards with the same content are the same, whatever their names; of the last one some images may be left out."""
    if (before.images, _shard_digests(before)) != (after.images, _shard_digests(after)):
        parts = [f"{run.path} {run.images} of shards {run.shards}" for run in (before, after)]
        same = "" if before.shards != after.shards or before.images != after.images else ", which hold other data"
        raise ConfigurationError(f"the runs evaluated different images: {' and '.join(parts)}{same}; "
                                 "run both reports on the same shards of the same data")


def _shard_digests(run: ReportedRun) -> List[str]:
    return sorted(str(digest) for digest in (run.data().get("shards") or {}).values()) or [run.shards]


def _headline(before: ReportedRun, after: ReportedRun) -> List[Change]:
    names = dict(zip(VARIANTS, (jitter.FLOAT_MAP, jitter.QUANTIZED_MAP)))
    maps = [Change(name, *(run.metrics[variant].figures["mAP"] for run in (before, after)))
            for variant, name in names.items()]
    both = [*maps, Change(jitter.DROP, before.drop(), after.drop())]
    if DEVICE not in _variants(before, after):
        return both
    devices = [run.device for run in (before, after)]
    return [*both, Change(DEVICE_MAP, *(run.figures(DEVICE).get("mAP") for run in (before, after))),
            Change(DEVICE_DROP, *(None if device is None else device.drop for device in devices)),
            Change(DEVICE_AGREEMENT, *(None if device is None else device.agreement for device in devices))]


def _variants(before: ReportedRun, after: ReportedRun) -> Sequence[str]:
    """The variants that one of the runs has."""
    return VARIANTS if before.device is None and after.device is None else (*VARIANTS, DEVICE)


def _classes(before: ReportedRun, after: ReportedRun) -> Dict[str, List[Change]]:
    variants = _variants(before, after)
    names = sorted({name for run in (before, after) for variant in variants for name in run.per_class(variant)})
    quantized = _changes(names, *(run.per_class(QUANTIZED) for run in (before, after)))
    order = [change.name for change in sorted(quantized, key=_loss_first)]
    return {variant: _changes(order, before.per_class(variant), after.per_class(variant)) for variant in variants}


def _loss_first(change: Change) -> float:
    return math.inf if change.difference is None else change.difference


def _changes(names: Sequence[str], before: Mapping[str, Optional[float]],
             after: Mapping[str, Optional[float]]) -> List[Change]:
    return [Change(name, before.get(name), after.get(name)) for name in names]


def _minus(one: Optional[float], other: Optional[float]) -> Optional[float]:
    return None if one is None or other is None else one - other


def _verdict_changes(before: Sequence[Verdict], after: Sequence[Verdict]) -> List[VerdictChange]:
    old, new = ({verdict.gate: verdict for verdict in side} for side in (before, after))
    return [VerdictChange(gate, old.get(gate), new.get(gate)) for gate in dict.fromkeys([*old, *new])
            if _judged(old.get(gate)) != _judged(new.get(gate))]


def _judged(verdict: Optional[Verdict]) -> Optional[Tuple[object, ...]]:
    if verdict is None:
        return None
    # Two failed checks may complain of different things.
    said = verdict.message if verdict.kind == CHECK and verdict.outcome != PASS else ""
    return verdict.outcome, verdict.lower, verdict.upper, said, verdict.known_failure


def _quantizer_changes(before: Path, after: Path) -> QuantizerChanges:
    old, new = read_report.read_quantizers(before), read_report.read_quantizers(after)
    if old is None or new is None:
        lacking = [str(folder / read_report.SNAPSHOT_FILE) for folder, found in ((before, old), (after, new))
                   if found is None]
        return QuantizerChanges(" and ".join(dict.fromkeys(lacking)) + " missing")
    return QuantizerChanges(placement=snapshot.differences(old, new),
                            drifts=[drift for drift in snapshot.drifts(old, new) if drift.change > 0])


def _run_document(run: ReportedRun) -> Dict[str, Any]:
    return {"report": str(run.path), "model": run.model, "images": run.images, "shards": run.shards}


def _change_documents(changes: Sequence[Change]) -> List[Dict[str, Any]]:
    return [{**asdict(change), "difference": change.difference} for change in changes]
