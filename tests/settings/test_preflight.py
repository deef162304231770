"""What is refused before TensorFlow is imported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import preflight
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values
from tests.support import suite
from tests.support.places import ROOT


def test_what_is_there_passes(demo: DataPaths, demo_card: ModelCard) -> None:
    preflight.check(Request(demo_card, demo, 1, selection="0,3-5"))


@pytest.mark.parametrize(("data", "request_", "said"), [
    ({}, {"selection": "0-99"}, "--shards 0-99: there is no shard 10-99; the data set has 0-9"),
    ({}, {"shard_count": 11}, "--shard-count 11: the data set has 10 shards"),
    ({"pattern": "no*"}, {}, "no file matches; correct --dataset-dir or --TFRecord-file-pattern"),
    ({"dataset_dir": Path("/nowhere")}, {}, "/nowhere: no such folder"),
    ({"annotations": Path("/nowhere.json")}, {}, "/nowhere.json: no such annotation file"),
    ({"checkpoint": Path("/nowhere/model.ckpt")}, {}, "/nowhere/model.ckpt.meta: no such file"),
])
def test_what_is_not_there_is_named(data: Dict[str, Any], request_: Dict[str, Any], said: str, demo: DataPaths,
                                    demo_card: ModelCard) -> None:
    with pytest.raises(QuantAccuracyError, match=said):
        preflight.check(Request(demo_card, replace(demo, **data), 1, **request_))


@pytest.mark.parametrize("key", ["output_dir", "quantsim_output_dir", "cache_dir", "history"])
@pytest.mark.parametrize("below", ["", "new/folder"])
def test_a_place_that_cannot_be_written_is_named_by_its_option(key: str, below: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / below / "x"

    with pytest.raises(StorageError) as caught:
        preflight.check_places(Values({key: place}, root=tmp_path), report=True)

    option = f"--{key.replace('_', '-')}"
    shown = place.parent if key == "history" else place
    assert str(caught.value).startswith(f"{option} {shown}: Not a directory; name a folder")


def test_a_cache_that_is_there_may_be_one_that_cannot_be_written() -> None:
    preflight.check_places(Values({"cache_dir": Path("/proc")}), report=False)


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    values = Values({"output_dir": tmp_path / "a" / "b", "history": tmp_path / "c" / "history.jsonl"}, root=tmp_path)

    preflight.check_places(values, report=True, update=True)

    assert list(tmp_path.iterdir()) == []


def test_places_that_nothing_is_written_to_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("")

    preflight.check_places(Values({}, root=tmp_path), report=False)


@pytest.mark.parametrize(("key", "name", "said"), [
    ("baseline_dir", "file", "--baseline-dir .*file: is a file; name the folder"),
    ("history", "folder", "--history .*folder: is a folder; name a file"),
])
def test_a_file_is_no_folder_and_a_folder_no_file(key: str, name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()

    with pytest.raises(ConfigurationError, match=said):
        preflight.check_places(Values({key: tmp_path / name}, root=tmp_path), report=False)


_WITHOUT_TENSORFLOW = """
import sys
from quant_accuracy.commands import report
status = report.main(sys.argv[1:])
assert "tensorflow" not in sys.modules, "TensorFlow was imported"
sys.exit(status)
"""


@pytest.mark.parametrize("arguments", [("--shards", "0-99"), ("--output-dir", "/proc/none"), ("--model", "none")])
def test_a_report_refuses_without_tensorflow(arguments: Tuple[str, ...], demo: DataPaths) -> None:
    done = subprocess.run([sys.executable, "-c", _WITHOUT_TENSORFLOW, *arguments], cwd=str(ROOT),
                          stderr=subprocess.PIPE, text=True, env=suite.environment())

    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_resolving_checks_all_models_before_any_is_evaluated(demo: DataPaths, tmp_path: Path) -> None:
    def ready(cache: Cache) -> DataPaths:
        return replace(demo, annotations=tmp_path / "none.json")

    with pytest.raises(QuantAccuracyError, match=r"none.json: no such annotation file"):
        preflight.resolve(Values({}, root=tmp_path), ready)


@pytest.fixture
def repaired(tmp_path: Path) -> Path:
    """The card that an earlier repair has left in `repair/`."""
    folder = tmp_path / "repair"
    folder.mkdir()
    (folder / "repair.json").write_text("{}")
    (folder / "mine_repaired.yaml").write_text("base: ssd_mobilenet_v2_demo\nname: mine_repaired\n"
                                                "quantization: {scheme: tf_enhanced}\n")
    return folder / "mine_repaired.yaml"


def test_a_repair_may_replace_an_earlier_one(repaired: Path, demo: DataPaths, demo_card: ModelCard) -> None:
    preflight.check_replaced(repaired.parent, Request(demo_card, demo, 1), (SHIPPED,))
    preflight.check_replaced(repaired.parent / "none", Request(demo_card, demo, 1), (SHIPPED,))


@pytest.mark.parametrize("own", [False, True])
def test_a_repair_does_not_replace_the_card_that_it_builds_on(own: bool, repaired: Path, demo: DataPaths,
                                                              tmp_path: Path) -> None:
    (tmp_path / "on_top.yaml").write_text("base: repair/mine_repaired.yaml\nname: on_top\ncalibration: {images: 9}\n")
    card = cards.load(str(repaired if own else tmp_path / "on_top.yaml"))

    with pytest.raises(ConfigurationError, match=r"would replace it, and \w+ builds on .*mine_repaired.yaml in it; "
                                                 "name another folder with --output-dir"):
        preflight.check_replaced(repaired.parent, Request(card, demo, 1), (SHIPPED,))


def test_a_repair_does_not_replace_a_folder_that_is_no_repair(demo: DataPaths, demo_card: ModelCard,
                                                              tmp_path: Path) -> None:
    (tmp_path / "repair").mkdir()
    preflight.check_replaced(tmp_path / "repair", Request(demo_card, demo, 1), (SHIPPED,))
    (tmp_path / "repair" / "thesis.tex").write_text("")

    with pytest.raises(ConfigurationError, match="no repair has left this"):
        preflight.check_replaced(tmp_path / "repair", Request(demo_card, demo, 1), (SHIPPED,))
