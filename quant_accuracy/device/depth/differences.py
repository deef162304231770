"""From values of both sides to figures in steps; image by image, so that tensors of one image only are in memory."""

from dataclasses import dataclass

import numpy as np

from quant_accuracy.device.depth.records import ONE_STEP, Difference

_WIDTH = 255.0


@dataclass(frozen=True)
class Sums:
    """What is kept of the elements seen so far.

    Attributes:
        elements: How many.
        most: The largest difference, whatever its sign.
        absolute: The sum, whatever the signs.
        signed: The sum with signs.
        squared: The sum of squares.
        beyond: How many are more than one step apart.
    """

    elements: int = 0
    most: float = 0.0
    absolute: float = 0.0
    signed: float = 0.0
    squared: float = 0.0
    beyond: int = 0

    def plus(self, found: np.ndarray, wanted: np.ndarray, step: float) -> "Sums":
        """With the elements of another image.

        Args:
            found: The integer model's values, float32, any shape.
            wanted: The simulation's, of the same shape.
            step: The step of the encoding.
        """
        # Ten million elements an image: in float32, but for their sums.
        steps = (found.ravel() - wanted.ravel()) / np.float32(step)
        # What is no number is as far away as a grid of 8 bits is wide.
        steps = np.nan_to_num(steps, nan=_WIDTH, posinf=_WIDTH, neginf=-_WIDTH)
        sizes = np.abs(steps)
        return Sums(self.elements + steps.size, max(self.most, float(sizes.max())) if steps.size else self.most,
                    self.absolute + float(sizes.sum(dtype=np.float64)),
                    self.signed + float(steps.sum(dtype=np.float64)),
                    self.squared + float(np.square(steps).sum(dtype=np.float64)),
                    self.beyond + int(np.count_nonzero(sizes > ONE_STEP)))

    def figures(self) -> Difference:
        """What they are together; of no elements, nothing differs."""
        count = max(1, self.elements)
        return Difference(self.most, self.absolute / count, float(np.sqrt(self.squared / count)), self.signed / count,
                          self.beyond / count)
