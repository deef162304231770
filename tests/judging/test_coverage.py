"""Images that were evaluated against those that should be."""

from typing import List

import pytest

from quant_accuracy.judging import coverage


@pytest.mark.parametrize(("evaluated", "lines"), [
    ([3, 1, 2], []),
    ([1, 2], ["1 images not evaluated: 3"]),
    ([1, 2, 3, 2, 2], ["1 images evaluated more than once: 2"]),
    ([1, 2, 3, 9], ["1 images evaluated, but not expected: 9"]),
    ([], ["3 images not evaluated: 1, 2, 3"]),
])
def test_coverage_names_the_images_that_are_missing_or_too_many(evaluated: List[int], lines: List[str]) -> None:
    assert coverage.differences([1, 2, 3], evaluated) == lines
