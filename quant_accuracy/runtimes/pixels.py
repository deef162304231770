"""Preprocessing that only maps each pixel's value to another, as a table of 256 values.

A graph of the Object Detection API preprocesses image by image in a while loop, which costs more than what it does:
resizing to the size that images have already changes nothing, and what is left is arithmetic on single values. Whether
that is so is not believed but tried, on images that nothing else maps in this way to the last bit.
"""

from typing import Callable, Iterator, List, Optional

import numpy as np

from quant_accuracy.runtimes.contract import Run

_VALUES = 256
_NOISY_IMAGES = 3
# How far the factor of a table may lie from its mean slope, in float32's own steps.
_NEAR = 4


def table_of(preprocess: Run, image_input: str, height: int, width: int) -> Optional[np.ndarray]:
    """The values that preprocessing gives for pixels of 0 to 255.

    Args:
        preprocess: Gives one tensor for uint8 images [n, height, width, 3].
        image_input: The tensor that takes the images.
        height: Of the images.
        width: Of the images.

    Returns:
        float32 [256], where preprocessing is nothing but this table, for all channels, places, images and sizes of
        batches; else None.
    """
    ramp = np.arange(_VALUES, dtype=np.uint8)
    table: Optional[np.ndarray] = None
    for images in _images(height, width):
        (values,) = preprocess({image_input: images})
        if values.dtype != np.float32 or values.shape != images.shape:
            return None
        if table is None:
            # Each value for the first pixel that has it; the other images show whether that holds everywhere.
            seen, first = np.unique(images, return_index=True)
            if not np.array_equal(seen, ramp):
                return None
            table = values.ravel()[first]
        if not np.array_equal(table.take(images), values):
            return None
    return table


def applied(table: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images to the values that a table gives for their pixels.

    A table that is a product and a sum, to the last bit, is computed: looking up takes several times as long.
    """
    ramp, offset = np.arange(_VALUES).astype(np.float32), table[0]
    factor = np.float32((np.float64(table[-1]) - offset) / (_VALUES - 1))
    for _ in range(_NEAR):
        factor = np.nextafter(factor, np.float32(-np.inf))
    for _ in range(2 * _NEAR + 1):
        if np.array_equal(ramp * factor + offset, table):
            break
        factor = np.nextafter(factor, np.float32(np.inf))
    else:
        return lambda images: np.asarray(table.take(images))

    def compute(images: np.ndarray) -> np.ndarray:
        values = images.astype(np.float32)
        values *= factor
        values += offset
        return values

    return compute


def _images(height: int, width: int) -> Iterator[np.ndarray]:
    """Images with all values in all places: noise, which no filter leaves as it is, and even ones, which nothing that
    looks at a whole image treats alike.
    """
    random = np.random.RandomState(0)
    every = np.arange(height * width * 3) % _VALUES
    noise: List[np.ndarray] = [random.permutation(every).astype(np.uint8).reshape(1, height, width, 3)
                               for _ in range(_NOISY_IMAGES)]
    yield from noise
    yield np.concatenate([noise[0], 255 - noise[1]])
    for value in (0, 1, 127, 255):
        yield np.full([1, height, width, 3], value, np.uint8)
    yield noise[0] // 4
