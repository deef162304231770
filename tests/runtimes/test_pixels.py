"""Preprocessing is a table only where it is nothing else."""

from typing import Callable

import numpy as np
import pytest

from quant_accuracy.runtimes import pixels

Preprocess = Callable[[np.ndarray], np.ndarray]
_SIDE = 20


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) * np.float32(2 / 255) - np.float32(1)


def test_the_table_gives_what_preprocessing_gives() -> None:
    table = pixels.table_of(lambda feed: [_scaled(feed["images:0"])], "images:0", _SIDE, _SIDE)

    assert table is not None
    np.testing.assert_array_equal(table, _scaled(np.arange(256)))


def _shifted(images: np.ndarray) -> np.ndarray:
    return np.concatenate([_scaled(images)[:, 1:], _scaled(images)[:, :1]], axis=1)


def _one_pixel(images: np.ndarray) -> np.ndarray:
    values = _scaled(images)
    values[:, -1, -1, -1] += np.float32(1e-7)
    return values


def _of_batches(images: np.ndarray) -> np.ndarray:
    return _scaled(images) * len(images)


@pytest.mark.parametrize("preprocess", [
    pytest.param(lambda images: images.astype(np.float32) - np.float32([123.68, 116.779, 103.939]), id="by channel"),
    pytest.param(lambda images: _scaled(images) - _scaled(images).mean(), id="by image"),
    pytest.param(lambda images: _scaled(images)[:, ::2, ::2], id="another size"),
    pytest.param(lambda images: _scaled(images)[..., ::-1], id="channels in another order"),
    pytest.param(lambda images: _scaled(images).astype(np.float64), id="another type"),
    pytest.param(lambda images: _scaled(images) + np.float32(images.max() < 100), id="dark images"),
    _shifted, _one_pixel, _of_batches,
])
def test_whatever_else_preprocessing_does_leaves_no_table(preprocess: Preprocess) -> None:
    assert pixels.table_of(lambda feed: [preprocess(feed["images:0"])], "images:0", _SIDE, _SIDE) is None


@pytest.mark.parametrize("table", [
    _scaled(np.arange(256)), np.arange(256, dtype=np.float32), np.full(256, 3, np.float32),
    np.arange(256).astype(np.float32) / np.float32(255), (np.arange(256).astype(np.float32) - 128) / np.float32(57.3),
    np.sqrt(np.arange(256)).astype(np.float32), np.random.RandomState(0).normal(size=256).astype(np.float32),
    *(np.arange(256).astype(np.float32) * np.float32(factor) + np.float32(offset)
      for factor, offset in np.random.RandomState(1).normal(size=[20, 2])),
])
def test_what_is_applied_is_the_table_to_the_last_bit(table: np.ndarray) -> None:
    apply = pixels.applied(table)
    every = np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)

    found = apply(every)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, table.take(every))
    assert np.array_equal(every, np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3))
