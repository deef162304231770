"""What a reader has to know beside the figures, a line each."""

from typing import Any, List, Mapping

from quant_accuracy.scoring import numbering

# Where a report has the detections that its annotations know no category of.
UNKNOWN_KEY = "unknown_categories"


def lines(document: Mapping[str, Any]) -> List[str]:
    """The notes on an evaluation.

    Args:
        document: What `contents.essentials` makes of it.
    """
    found = []
    for variant, unknown in document[UNKNOWN_KEY].items():
        if unknown:
            counts = {int(category): count for category, count in unknown.items()}
            found.append(f"{variant}: " + numbering.unknown_line(counts, document["metrics"][variant]["detections"]))
    return found
