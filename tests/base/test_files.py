"""Files are whole or not there, whoever dies while writing."""

import multiprocessing
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from quant_accuracy.base import files
from quant_accuracy.base.errors import StorageError
from tests.support import broken
from tests.support.places import ROOT


def _write_slowly(path: Path) -> None:
    with files.atomic_path(path) as scratch:
        scratch.write_text("half")
        time.sleep(60)


def test_a_killed_writer_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("fork").Process(target=_write_slowly, args=(tmp_path / "result",))
    writer.start()
    while not list(tmp_path.glob(".result.*/result")):
        time.sleep(0.01)
    writer.kill()
    writer.join()

    assert not (tmp_path / "result").exists()


def test_a_full_disk_is_a_clear_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full to write to")

    with pytest.raises(StorageError, match="the disk is full"), files.storage_errors(Path("result")), \
            open("/dev/full", "w") as full:
        full.write("x" * 100_000)


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


def test_an_interrupt_while_a_written_file_is_tidied_up_leaves_nothing_behind(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = shutil.rmtree

    def interrupted(*given: Any, **named: Any) -> None:
        monkeypatch.setattr(shutil, "rmtree", right)
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "done.txt", "whole")

    assert [path.name for path in tmp_path.iterdir()] == ["done.txt"]
