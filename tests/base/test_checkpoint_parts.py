"""The files of a checkpoint: named in any way that says which one, and all of them there."""

from pathlib import Path
from typing import List

import pytest

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.errors import CheckpointError

_PARTS = (".meta", ".index", ".data-00000-of-00001")


def _checkpoint(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        for part in _PARTS:
            (folder / f"{name}{part}").write_text("")
    return folder


@pytest.mark.parametrize("named", ["model.ckpt", "model.ckpt.meta", "model.ckpt.index",
                                   "model.ckpt.data-00000-of-00001", ""])
def test_a_checkpoint_is_named_by_its_prefix_by_one_of_its_files_or_by_its_folder(named: str, tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "model.ckpt")
    (folder / "checkpoint").write_text("")

    assert checkpoint_parts.prefix(folder / named) == folder / "model.ckpt"


def test_a_prefix_that_looks_like_a_file_is_a_prefix(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "best.meta")
    (folder / "best.meta").mkdir()

    assert checkpoint_parts.prefix(folder / "best.meta") == folder / "best.meta"


def test_a_folder_with_several_checkpoints_is_refused_with_their_names(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "model.ckpt-100", "model.ckpt-200")

    with pytest.raises(CheckpointError) as caught:
        checkpoint_parts.prefix(folder)

    assert str(caught.value) == (f"{folder}: holds 2 checkpoints (model.ckpt-100, model.ckpt-200); name one of them: "
                                 f"{folder}/model.ckpt-200")


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint; name the prefix"):
        checkpoint_parts.prefix(tmp_path)


@pytest.mark.parametrize(("lost", "said"), [
    (_PARTS[:1], r"model.ckpt.meta: no such file; --model-checkpoint takes"),
    (_PARTS[1:2], r"model.ckpt.index: no such file"),
    (_PARTS[2:], r"model.ckpt.data-\*: no such file; copy the checkpoint again"),
], ids=["meta", "index", "data"])
def test_a_part_that_is_missing_is_named(lost: List[str], said: str, tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "model.ckpt")
    (folder / f"model.ckpt{lost[0]}").unlink()

    with pytest.raises(CheckpointError, match=said):
        checkpoint_parts.checkpoint_files(folder / "model.ckpt")


def test_values_that_were_copied_in_part_are_counted(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "model.ckpt")
    (folder / "model.ckpt.data-00000-of-00001").rename(folder / "model.ckpt.data-00000-of-00002")

    with pytest.raises(CheckpointError, match="1 of 2 parts are there"):
        checkpoint_parts.data_files(folder / "model.ckpt")


def test_the_prefix_of_a_training_checkpoint_is_suggested_where_something_near_is_named(tmp_path: Path) -> None:
    trained = _checkpoint(tmp_path, "model.ckpt-20000") / "model.ckpt-20000"

    for named in ("model.ckpt", "model.ckpt-9"):
        with pytest.raises(CheckpointError, match=f"--checkpoint takes the prefix .*share: {trained}$"):
            checkpoint_parts.training_prefix(tmp_path / named)
    trained.with_name(f"{trained.name}.meta").unlink()
    assert checkpoint_parts.training_prefix(trained) == trained


def test_a_training_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    folder = _checkpoint(tmp_path, "model.ckpt")
    (folder / "model.ckpt.data-00000-of-00001").unlink()

    with pytest.raises(CheckpointError, match=r"model.ckpt.data-\*: no such file; copy the checkpoint again"):
        checkpoint_parts.training_prefix(folder / "model.ckpt")
