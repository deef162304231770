"""The list of inputs: as the tools of boards read it, and read back in whatever order and with whatever paths."""

from pathlib import Path

import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.device.exchange import input_list
from tests.support.bundles import bundle_of

_BUNDLE = bundle_of(3)


def test_a_list_has_a_line_for_each_image_and_names_inputs_where_there_are_several(tmp_path: Path) -> None:
    input_list.write(tmp_path / "one.txt", _BUNDLE)
    input_list.write(tmp_path / "two.txt", bundle_of(1, 1, inputs=("a/start", "b")))

    assert (tmp_path / "one.txt").read_text() == "inputs/000000.raw\ninputs/000001.raw\ninputs/000002.raw\n"
    assert (tmp_path / "two.txt").read_text() == ("a/start:=inputs/000000.0.raw b:=inputs/000000.1.raw\n"
                                                  "a/start:=inputs/000001.0.raw b:=inputs/000001.1.raw\n")
    assert input_list.read(tmp_path / "two.txt", bundle_of(1, 1, inputs=("a/start", "b"))) == [0, 1]


@pytest.mark.parametrize(("text", "order"), [
    ("inputs/000000.raw\ninputs/000001.raw\ninputs/000002.raw\n", [0, 1, 2]),
    ("#concat concat_1\n%concat:0 concat_1:0\n\ninputs/000002.raw\ninputs/000000.raw", [2, 0]),
    ("/data/local/tmp/b/inputs/000001.raw\r\n/data/local/tmp/b/inputs/000002.raw\r\n", [1, 2]),
    ("input:0:=/data/000001.raw\ninput:0:=/data/000000.raw\n", [1, 0]),
    ("C:\\bundle\\inputs\\000001.raw\n", [1]),
])
def test_a_list_that_was_run_says_which_image_each_line_is_of(tmp_path: Path, text: str, order: object) -> None:
    path = tmp_path / "input_list.txt"
    path.write_bytes(text.encode())

    assert input_list.read(path, _BUNDLE) == order


@pytest.mark.parametrize(("text", "said"), [
    ("inputs/000000.raw\ninputs/000009.raw\n", "line 2: 'inputs/000009.raw' is not the input of one image"),
    ("inputs/000000.raw\n\ninputs/000000.raw\n", "line 3: 'inputs/000000.raw' stands in line 1 already"),
    ("inputs/000000.raw inputs/000001.raw\n", "line 1: .* is not the input of one image"),
    ("inputs/\xff.raw", "not readable"), ("#concat\n", "names no input"),
])
def test_a_list_of_other_inputs_is_refused_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "input_list.txt"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(DataError, match=said):
        input_list.read(path, _BUNDLE)
