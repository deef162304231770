"""The vocabulary of graphs: the ops that a model card names."""

from dataclasses import dataclass
from typing import Sequence, Tuple, Union


def listed(names: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    """One name or several, as several: a text is a sequence of its letters, too."""
    return (names,) if isinstance(names, str) else tuple(names)


@dataclass(frozen=True)
class GraphNames:
    """Ops of the checkpoint's graph.

    Attributes:
        image_input: Placeholder, uint8 [batch, height, width, 3].
        starting_ops: Where the network begins; what comes before is preprocessing.
        output_ops: Where the network ends; what comes behind is post-processing.
        detections: Boxes, scores, classes and number of detections.
    """

    image_input: str
    starting_ops: Tuple[str, ...]
    output_ops: Tuple[str, ...]
    detections: Tuple[str, str, str, str]
