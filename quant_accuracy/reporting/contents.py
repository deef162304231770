"""Everything that is known of an evaluation as one JSON-like document, from which every form of the report is made."""

from dataclasses import asdict
from typing import Any, Dict, Optional

from quant_accuracy import error_kinds
from quant_accuracy.artifacts import FLOAT, QUANTIZED
from quant_accuracy.data.shards import format_selection
from quant_accuracy.evaluation import Evaluation

SCHEMA_VERSION = 2


def as_document(evaluation: Evaluation) -> Dict[str, Any]:
    """Everything that is known of an evaluation, JSON-like; within a schema version no field changes its meaning."""
    return {
        "schema_version": SCHEMA_VERSION,
        "model": evaluation.request.card.name,
        "images": evaluation.variants[FLOAT].metrics.images,
        "shards": format_selection([shard.index for shard in evaluation.shards]),
        "metrics": {name: asdict(variant.metrics) for name, variant in evaluation.variants.items()},
        "mAP_drop": difference(evaluation, "mAP"),
        "verdicts": [asdict(verdict) for verdict in evaluation.verdicts],
        "errors": _errors(evaluation),
        "quantizers": {"total": len(evaluation.artifacts.quantizers),
                       "enabled": sum(quantizer.enabled for quantizer in evaluation.artifacts.quantizers)},
        "batch_norms_left": [asdict(item) for item in evaluation.artifacts.left_out],
        "provenance": dict(evaluation.figures.provenance),
    }


def _errors(evaluation: Evaluation) -> Dict[str, Any]:
    """The six kinds of error by variant, and by how much they differ: quantized - float."""
    truth = evaluation.prepared.truth
    found = {name: error_kinds.analyse(variant.merged, truth, variant.matches)
             for name, variant in evaluation.variants.items()}
    found["difference"] = error_kinds.difference(found[FLOAT], found[QUANTIZED])
    return {name: asdict(kinds) for name, kinds in found.items()}


def difference(evaluation: Evaluation, figure: str) -> Optional[float]:
    """Float - quantized of one of COCO's figures; None where there is no ground truth."""
    before = evaluation.variants[FLOAT].metrics.figures[figure]
    after = evaluation.variants[QUANTIZED].metrics.figures[figure]
    return None if before is None or after is None else before - after
