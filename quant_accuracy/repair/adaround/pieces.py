"""What became of a layer, and how it is kept, so that a second call goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional

import numpy as np

from quant_accuracy.base import arrays, progress
from quant_accuracy.base.errors import StorageError
from quant_accuracy.repair.adaround.layers import Layer


@dataclass(frozen=True)
class Rounded:
    """A layer that was rounded.

    Attributes:
        layer: The op that multiplies by its weights.
        tensor: Its weights.
        count: How many weights it has.
        changed: How many of them are rounded otherwise than to nearest.
        nearest_error: The reconstruction loss of rounding to nearest, on the rows that it was trained on.
        error: That of the result, which is never larger: where nothing better was found, nearest stays.
    """

    layer: str
    tensor: str
    count: int
    changed: int
    nearest_error: float
    error: float


class Finished(NamedTuple):
    """What became of a layer.

    Attributes:
        weights: float32, on their grid, in TensorFlow's layout.
        bias: float32 [outputs]; empty for none.
        factors: float64, by which the step of each encoding was multiplied.
        result: What is said of it.
    """

    weights: np.ndarray
    bias: np.ndarray
    factors: np.ndarray
    result: Rounded


_PIECE: Mapping[str, Any] = {"weights": np.float32, "bias": np.float32, "factors": np.float64, "changed": np.int64,
                             "errors": np.float64}


def keep(piece: Path, finished: Finished) -> None:
    """Keep what became of a layer.

    Raises:
        StorageError: It cannot be written.
    """
    piece.parent.mkdir(parents=True, exist_ok=True)
    arrays.save(piece, {"weights": finished.weights, "bias": finished.bias, "factors": finished.factors,
                        "changed": np.array(finished.result.changed, np.int64),
                        "errors": np.array([finished.result.nearest_error, finished.result.error])})


def kept(piece: Optional[Path], layer: Layer) -> Optional[Finished]:
    """What an earlier call made of a layer; None where there is nothing, or nothing whole."""
    if piece is None or not piece.is_file():
        return None
    try:
        found = arrays.load(piece, _PIECE, f"the rounded weights of {layer.name}")
    except StorageError as error:
        progress.say(f"warning: {error}")
        return None
    nearest, loss = found["errors"].tolist()
    weights = found["weights"]
    return Finished(weights, found["bias"], found["factors"],
                    Rounded(layer.name, layer.quantizer.tensor, weights.size, int(found["changed"]), nearest, loss))
