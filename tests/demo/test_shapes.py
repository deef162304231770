"""The outlines of the demo's categories."""

import numpy as np
import pytest

from quant_accuracy.demo import shapes
from quant_accuracy.demo.shapes import Category


@pytest.mark.parametrize("category", shapes.CATEGORIES, ids=lambda category: category.name)
def test_an_outline_fills_about_the_unit_square(category: Category) -> None:
    outline = category.outline()

    assert outline.shape[1:] == (2,)
    assert np.abs(outline).max() <= 1.3
    assert 0.5 < shapes.area(outline) <= 4.0


def test_ids_have_gaps_and_names_differ() -> None:
    ids = [category.id for category in shapes.CATEGORIES]

    assert ids == sorted(set(ids))
    assert max(ids) > len(ids)
    assert len({category.name for category in shapes.CATEGORIES}) == len(ids)
    assert shapes.BY_ID[ids[-1]] is shapes.CATEGORIES[-1]


def test_the_area_of_a_polygon_is_that_of_hand_computed_cases() -> None:
    assert shapes.area(np.array([[0.0, 0], [2, 0], [2, 3], [0, 3]])) == 6.0
    assert shapes.area(np.array([[0.0, 3], [2, 3], [0, 0]])) == 3.0
    ring = shapes.area(shapes.BY_ID[18].outline())
    assert ring == pytest.approx(np.pi * (1 - 0.55 ** 2), rel=0.01)
