"""Arguments that pytest cannot mistake for paths of tests."""

from typing import List

import pytest

from quant_accuracy.settings import pytest_arguments


@pytest.mark.parametrize(("typed", "joined"), [
    (["-n", "2", "--shards", "0-3", "-k", "mAP"], ["-n", "2", "--shards=0-3", "-k", "mAP"]),
    (["tests", "--dataset-dir", "a b", "--strict", "--jitter"], ["tests", "--dataset-dir=a b", "--strict", "--jitter"]),
    (["--quant-accuracy-model", "mine", "--model=yours"], ["--quant-accuracy-model=mine", "--model=yours"]),
    (["--cache-dir"], ["--cache-dir"]),
    (["--output-dir", "--report", "html"], ["--output-dir", "--report=html"]),
    (["--shards", "-q", "tests"], ["--shards", "-q", "tests"]),
    (["--output-dir", "", "tests"], ["--output-dir=", "tests"]),
    ([], []),
])
def test_options_of_the_suite_and_no_others_are_joined_with_their_values(typed: List[str], joined: List[str]) -> None:
    assert pytest_arguments.joined(typed) == joined
