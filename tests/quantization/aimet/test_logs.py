"""What AIMET says is in a file, and errors name it."""

import logging
from pathlib import Path
from typing import Any, Iterator

import pytest

from quant_accuracy.base.errors import GraphError, StorageError
from quant_accuracy.quantization import aimet
from quant_accuracy.quantization.aimet import installation, logs
from quant_accuracy.quantization.records import AIMET, BUILTIN, Settings
from tests.support import stand_in, two_branches
from tests.support.two_branches import BATCHES, NAMES, Branches


@pytest.fixture(scope="module")
def branches(tmp_path_factory: Any) -> Branches:
    return two_branches.make(Path(tmp_path_factory.mktemp("branches")))


@pytest.fixture(autouse=True)
def stood_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with stand_in.installed(monkeypatch, tmp_path):
        yield


def _build(branches: Branches, folder: Path) -> None:
    aimet.build(branches.prefix, branches.network, NAMES, Settings(backend=AIMET, simulator=BUILTIN), None, BATCHES,
                folder, False)


def test_what_aimet_says_is_in_the_log_of_the_last_build_and_not_on_the_terminal(branches: Branches, tmp_path: Path,
                                                                                 capfd: Any) -> None:
    before = [(logger.propagate, logger.level, list(logger.handlers))
              for logger in map(logging.getLogger, installation.load_modules().loggers)]
    for _ in range(2):
        _build(branches, tmp_path)

    out, err = capfd.readouterr()
    assert "Unable to identify" not in out + err
    lines = logs.path().read_text().splitlines()
    assert [line for line in lines if "Unable to identify" in line] \
        == ["WARNING Quant: Unable to identify module name, using name of first op as module name: start"]
    assert "INFO Quant: Adding quantization ops" in lines
    assert logs.path().stat().st_mode & 0o777 == 0o600
    assert logs.current() is None
    assert before == [(logger.propagate, logger.level, list(logger.handlers))
                      for logger in map(logging.getLogger, installation.load_modules().loggers)]


def test_one_line_says_that_it_is_built_and_one_how_long_it_took(branches: Branches, tmp_path: Path,
                                                                capsys: Any) -> None:
    _build(branches, tmp_path)

    first, last = [line for line in capsys.readouterr().err.splitlines() if "building" in line]
    assert first == "AIMET: building the quantization simulation ..."
    assert last.startswith("AIMET: building the quantization simulation: ")
    assert last.endswith(" s")


def test_an_error_of_aimets_names_the_log(branches: Branches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ValueError("it is broken")

    monkeypatch.setattr(installation.load_modules().batch_norm_fold, "fold_all_batch_norms", fail)

    with pytest.raises(GraphError, match=rf"AIMET failed while folding batch norms \(ValueError: it is broken; what it "
                                         rf"did before is in {logs.path()}\); correct"):
        _build(branches, tmp_path)

    assert logs.path().is_file()


def test_a_link_that_somebody_put_there_is_not_followed(branches: Branches, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    logs.path().symlink_to(tmp_path / "precious")

    with pytest.raises(StorageError, match=str(logs.path())):
        _build(branches, tmp_path)

    assert (tmp_path / "precious").read_text() == "kept"
