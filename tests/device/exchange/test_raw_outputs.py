"""What boards leave: found under all names that their tools write, refused by file and image where it is damaged."""

import shutil
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.device.exchange import raw_outputs
from quant_accuracy.device.exchange.manifest import Tensor
from tests.support.bundles import OUTPUTS, bundle_of, leave, values_of

_SCOPED = (Tensor("Box/concat", (1, 5, 4)), Tensor("Box/concat_1", (1, 5, 3)))


def _sanitized(name: str) -> str:
    """As QNN's converters name tensors."""
    return f"{name.replace('/', '_')}.raw"


@pytest.mark.parametrize("naming", [lambda name: f"{name}.raw", lambda name: f"{name}:0.raw", _sanitized,
                                    lambda name: f"{_sanitized(name)[:-4]}_0.raw"],
                         ids=["plain", "tensor", "sanitized", "sanitized tensor"])
@pytest.mark.parametrize("outputs", [OUTPUTS, _SCOPED], ids=["op", "op in a scope"])
@pytest.mark.parametrize("results", ["output/Result_{}", "Result_{}", "output/graph/Result_{}", "output/result_{:05d}"])
def test_results_are_found_under_the_names_that_boards_give(tmp_path: Path, naming: Callable[[str], str],
                                                            outputs: List[Tensor], results: str) -> None:
    bundle = bundle_of(2, 1, outputs=outputs)
    folder, written = leave(tmp_path / "b", bundle, naming, results)

    left = raw_outputs.find(folder)

    assert left.manifest == bundle
    assert {place: left.files(place) for place in range(3)} == written
    for place in range(3):
        for found, wanted in zip(left.read(place), values_of(bundle, place)):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, wanted)
    assert raw_outputs.find(folder / "output" if (folder / "output").is_dir() else folder).results == left.results


def test_more_results_than_are_wanted_do_not_matter(tmp_path: Path) -> None:
    folder, written = leave(tmp_path, bundle_of(1))
    for name in ("relu.raw", "concat_native.raw", "concat_2.raw", "notes.txt"):
        (written[0][0].parent / name).write_bytes(b"123")

    assert raw_outputs.find(folder).files(0) == written[0]


def test_outputs_whose_names_are_alike_are_told_apart(tmp_path: Path) -> None:
    bundle = bundle_of(1, outputs=(Tensor("concat", (1, 2)), Tensor("concat_0", (1, 3))))
    folder, written = leave(tmp_path, bundle)

    assert raw_outputs.find(folder).files(0) == written[0]


def test_results_are_of_the_images_of_the_list_that_was_run(tmp_path: Path) -> None:
    bundle = bundle_of(3)
    folder, written = leave(tmp_path, bundle)
    (folder / "output" / "input_list.txt").write_text("#concat\n/sdcard/inputs/000002.raw\n/sdcard/inputs/000000.raw\n")
    shutil.rmtree(str(written[2][0].parent))

    left = raw_outputs.find(folder)

    assert left.files(2) == written[0]
    assert left.files(0) == written[1]
    assert left.missing([0, 1, 2]) == [1]


def _first(written: Dict[int, List[Path]]) -> Path:
    return written[0][0]


def _cut(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(_first(written).read_bytes()[:-3])


def _empty(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(b"")


def _bytes(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(bytes(20))


def _batch(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(_first(written).read_bytes() * 4)


def _double(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(np.zeros(20, np.float64).tobytes())


def _nan(written: Dict[int, List[Path]]) -> None:
    values = np.zeros(20, np.float32)
    values[7] = np.nan
    _first(written).write_bytes(values.tobytes())


def _infinite(written: Dict[int, List[Path]]) -> None:
    _first(written).write_bytes(np.full(20, -np.inf, np.float32).tobytes())


def _missing(written: Dict[int, List[Path]]) -> None:
    _first(written).unlink()


def _native(written: Dict[int, List[Path]]) -> None:
    _first(written).rename(_first(written).with_name("concat_native.raw"))


def _twice(written: Dict[int, List[Path]]) -> None:
    shutil.copy(str(_first(written)), str(_first(written).with_name("concat_0.raw")))


def _renamed(written: Dict[int, List[Path]]) -> None:
    _first(written).rename(_first(written).with_name("StatefulPartitionedCall:1.raw"))


@pytest.mark.parametrize(("damage", "said"), [
    (_cut, r"has 77 bytes, and concat \[1, 5, 1, 4\] in float32 has 80; it looks cut short; copy it"),
    (_empty, "has 0 bytes.*it is empty; copy it"),
    (_bytes, "it looks like values of 8 bits; let the board write float32"),
    (_batch, "it looks like a batch of 4; run the network with a batch of one"),
    (_double, "it looks like float64"),
    (_nan, r"holds NaN \(1 of 20 values, the first at 7\); find out on the board"),
    (_infinite, r"holds infinity \(20 of 20 values"),
    (_missing, "has no concat.raw, which is an output of the network, but concat_1.raw"),
    (_native, "concat_native.raw, image 100: is concat in the board's own type.*let the board write float32"),
    (_twice, "concat.raw, concat_0.raw could all be the output concat; leave one"),
    (_renamed, "has no concat.raw.*but StatefulPartitionedCall:1.raw, concat_1.raw; name the outputs"),
])
def test_damage_is_refused_by_file_and_image_with_a_remedy(
        tmp_path: Path, damage: Callable[[Dict[int, List[Path]]], None], said: str) -> None:
    folder, written = leave(tmp_path, bundle_of(2))
    damage(written)
    left = raw_outputs.find(folder)

    with pytest.raises(DataError, match=said) as raised:
        left.read(0)

    assert str(folder / "output" / "Result_0") in str(raised.value)
    assert "image 100" in str(raised.value)
    assert left.read(1)


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _no_results(folder: Path) -> None:
    shutil.rmtree(str(folder / "output"))


def _two_sets(folder: Path) -> None:
    shutil.copytree(str(folder / "output"), str(folder / "again"))


def _two_loops(folder: Path) -> None:
    shutil.copytree(str(folder / "output" / "Result_0"), str(folder / "output" / "Result_2"))


def _same_number(folder: Path) -> None:
    shutil.copytree(str(folder / "output" / "Result_0"), str(folder / "output" / "Result_00"))


@pytest.mark.parametrize(("damage", "said"), [
    (_no_manifest, "there is no manifest.json in it or above it"),
    (_no_results, "holds no Result_<n>, nor does a folder in it"),
    (_two_sets, "again, .*output all hold results; name one of them"),
    (_two_loops, r"Result_2 is of no input, .*input_list.txt has 2 \(1 results are beyond that\)"),
    (_same_number, "Result_0 and Result_00 are both the result of input 0"),
    (lambda folder: shutil.rmtree(str(folder)), "no such folder"),
])
def test_what_cannot_be_mapped_to_images_is_refused(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    folder, _ = leave(tmp_path / "b", bundle_of(2))
    damage(folder)

    with pytest.raises(DataError, match=said) as raised:
        raw_outputs.find(folder)

    assert str(raised.value).startswith(str(folder))
    assert raised.value.args[0].count(";") >= 1
