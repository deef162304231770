"""Values of documents, however they are written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import (
    ConfigurationError,
)
from tests.support.places import ROOT

_COLLECTED = """
import gc, sys
from pathlib import Path
from quant_accuracy.base import documents
class Cleans:
    def __del__(self):
        sorted([self], key=lambda item: id(item))
for allocations in range(850, 1100):
    gc.collect()
    item = Cleans()
    item.itself = item
    del item
    gc.set_threshold(allocations)
    try:
        documents.read_json(Path(sys.argv[1]))
    except ValueError as error:
        print(error)
"""


def test_what_is_collected_in_the_depth_of_brackets_does_not_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200000)

    done = subprocess.run([sys.executable, "-c", _COLLECTED, str(tmp_path / "deep.json")], cwd=str(ROOT),
                          capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["it is nested too deeply"] * 250


@pytest.mark.parametrize(("value", "wanted"), [(8, 8), (8.0, 8), ("8", 8), (" 8.0 ", 8), ("0x8", None), (8.5, None),
                                               ("eight", None), (True, None), ("1e999", None), ("9" * 1000, None),
                                               ("", None), ([8], None), ("nan", None), ("1_0", None)])
def test_a_whole_number_is_one_however_it_is_written(value: Any, wanted: Any) -> None:
    section = Section("file", "", {"bits": value}, "the file")

    if wanted is not None:
        assert section.number("bits", 1, 10) == wanted
        assert isinstance(section.number("bits", 1, 10), int)
    else:
        with pytest.raises(ConfigurationError, match="file: bits is .*; give a whole number from 1 to 10"):
            section.number("bits", 1, 10)
