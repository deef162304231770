"""What is kept on the disk: damaged cache entries and files of arrays, and writers that die or meet."""

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, List

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import arrays, files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import StorageError
from tests.support import broken
from tests.support.places import ROOT

_ENTRIES = {"float": ("float.pb", "folded.pb", "fold.json", "inputs.json", "digests.json"),
            "quantsim": ("quantsim.pb", "quantizers.json", "model.encodings", "suppression.json",
                         "simulator.json")}


@pytest.mark.parametrize("damage", [broken.flip_in_the_middle, broken.cut, Path.unlink],
                         ids=["flipped", "cut", "missing"])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in _ENTRIES.items() for name in names])
def test_a_damaged_cache_entry_is_made_again_with_a_warning(
        demo_artifacts: Artifacts, tmp_path: Path, capsys: pytest.CaptureFixture, kind: str, name: str,
        damage: Callable[[Path], None]) -> None:
    entry = demo_artifacts.float_folder if kind == "float" else demo_artifacts.quantsim_folder
    whole, inputs = files.digest_folder(entry), json.loads((entry / "inputs.json").read_text())
    target = Cache(tmp_path).path(kind, inputs)
    shutil.copytree(str(entry), str(target))
    damage(target / name)
    made: List[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        for path in set(whole) - {"inputs.json", "digests.json"}:
            shutil.copy(str(entry / path), str(folder / path))

    for cache in (Cache(tmp_path), Cache(tmp_path)):
        assert cache.folder(kind, inputs, "making", make) == target

    said = capsys.readouterr().err
    assert said.count(f"warning: {target}: damaged (") == 1
    # One bit may turn the name of a file that stands there into another, or its digest.
    assert name in said or (name == "digests.json" and ("is missing" in said or "has changed" in said))
    assert len(made) == 1
    assert files.digest_folder(target) == whole
    assert not broken.temporary(tmp_path)


def test_an_entry_stays_when_it_cannot_be_made_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    def make(folder: Path) -> None:
        (folder / "content").write_text("whole")

    def fail(folder: Path) -> None:
        raise StorageError("no space")

    target = Cache(tmp_path).folder("things", {}, "making", make)
    broken.flip(target / "content", 0)

    with pytest.raises(StorageError):
        Cache(tmp_path).folder("things", {}, "making", fail)
    assert (target / "content").exists()
    Cache(tmp_path).folder("things", {}, "making", make)
    assert (target / "content").read_text() == "whole"
    assert capsys.readouterr().err.count("damaged (content has changed since it was written)") == 2


def test_no_flipped_bit_and_no_cut_of_a_file_of_arrays_goes_unnoticed(tmp_path: Path) -> None:
    path, random = tmp_path / "arrays.npz", np.random.RandomState(0)
    saved = {"scores": random.uniform(size=20).astype(np.float32), "classes": np.arange(20, dtype=np.int32)}
    arrays.save(path, saved)
    content = path.read_bytes()
    flips = (content[:i] + bytes([content[i] ^ 1 << bit]) + content[i + 1:] for i in range(len(content))
             for bit in (0, 5))
    refused = 0

    for damaged in itertools.chain(flips, (content[:length] for length in range(len(content)))):
        path.write_bytes(damaged)
        try:
            found = arrays.load(path, {"scores": np.float32, "classes": np.int32}, "arrays")
        except StorageError:
            refused += 1
            continue
        # What no checksum covers are dates and the like.
        for name, array in saved.items():
            np.testing.assert_array_equal(found[name], array)
    assert refused > 2 * len(content)


_WRITER = """
import sys, time
from pathlib import Path
from quant_accuracy.base import files
with files.atomic_path(Path(sys.argv[1])) as path:
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def _writer(target: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(target)], stdout=subprocess.PIPE,
                               universal_newlines=True, cwd=str(ROOT))
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_what_a_killed_process_was_writing_goes_with_the_next_write_and_what_a_living_one_writes_stays(
        tmp_path: Path) -> None:
    dead, living = _writer(tmp_path / "dead"), _writer(tmp_path / "living")
    try:
        dead.kill()
        dead.communicate()
        elsewhere = tmp_path / ".result.abcdefgh.another-machine.quant_accuracy.partial"
        foreign = tmp_path / ".somebody.partial"
        for folder in (elsewhere, foreign):
            folder.mkdir()
        assert len(list(tmp_path.glob(".dead.*.partial"))) == 1

        files.write_text(tmp_path / "third", "whole")

        assert not list(tmp_path.glob(".dead.*"))
        assert [path.read_text() for path in tmp_path.glob(".living.*.partial/living")] == ["half"]
        assert elsewhere.exists()
        assert foreign.exists()
    finally:
        living.kill()
        living.communicate()
    files.sweep(tmp_path)
    assert broken.temporary(tmp_path) == [elsewhere, foreign]


_MANY = """
import sys
from pathlib import Path
from quant_accuracy.base import files
for number in range(300):
    files.write_text(Path(sys.argv[1]) / f"{number % 7}", "whole" * 100)
"""


def test_those_who_write_into_one_folder_at_once_do_not_sweep_each_other_away(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _MANY, str(tmp_path)], cwd=str(ROOT)) for _ in range(4)]

    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0, 0]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {str(n): "whole" * 100 for n in range(7)}
