"""The cache: an entry is made once, and again when it is damaged."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Callable, List

import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import StorageError
from tests.support import broken

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


def test_a_place_that_cannot_be_written_is_named_with_what_to_name_instead(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="Not a directory; name a folder that can be written with --cache-dir"):
        Cache(tmp_path / "file").hold("name")
    with Cache(tmp_path / "folder").hold("name"):
        pass


def test_a_cache_entry_is_made_once_for_equal_inputs(tmp_path: Path) -> None:
    made: List[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "content").write_text("x")

    cache = Cache(tmp_path / "cache")
    first = cache.folder("things", {"a": 1, "b": 2}, "making", make)
    second = cache.folder("things", {"b": 2, "a": 1}, "making", make)
    other = cache.folder("things", {"a": 1, "b": 3}, "making", make)

    assert first == second != other
    assert len(made) == 2


def test_two_that_want_the_same_entry_wait_for_each_other(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.3)

    threads = [threading.Thread(target=Cache(tmp_path).folder, args=("things", {}, "making", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_an_entry_whose_making_failed_is_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.folder("things", {}, "making", fail)
    assert not cache.path("things", {}).exists()
    assert not list((tmp_path / "things").iterdir())
