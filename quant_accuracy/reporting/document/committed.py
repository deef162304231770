"""What a report tells of the committed snapshot: which quantizers are others, and whose ranges moved."""

from typing import Any, Dict, Optional

from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization import snapshot


def as_document(prepared: Prepared) -> Optional[Dict[str, Any]]:
    """What differs from the snapshot, JSON-like; None where there is none to compare with.

    Raises:
        ConfigurationError: The snapshot is damaged.
    """
    committed = prepared.committed_snapshot()
    if committed is None:
        return None
    now = prepared.snapshot()
    moved = [drift for drift in snapshot.drifts(committed, now) if drift.change > 0]
    return {"differences": snapshot.differences(committed, now),
            "moved": [{"tensor": drift.tensor, "change": drift.change, "before": list(drift.before),
                       "after": list(drift.after)} for drift in moved]}
