"""What a board would leave of the demo, for the tests of it."""

from pathlib import Path
from typing import Callable

import numpy as np
import pytest

from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images
from quant_accuracy.device.exchange import bundle
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline import bundled
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request

SHARDS, IMAGES = "0-1", 23


@pytest.fixture(scope="session")
def part(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Prepared:
    """A shard of the demo, and three images of the next one."""
    return prepare(Request(demo_card, demo, 1, SHARDS, IMAGES), cache)


@pytest.fixture(scope="session")
def float_board(part: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a board leaves that computes in floating point: its results are those of the float variant."""
    folder = tmp_path_factory.mktemp("board") / "bundle"
    bundle.write(folder, bundled.job(part, "float32"))
    names = part.request.card.graph
    with sessions.open_session(part.artifacts.graph(FLOAT)) as session:
        for number, batch in enumerate(images.stream(part.shards, 1, 300, 300)):
            found = session.run([f"{name}:0" for name in names.output_ops], {f"{names.image_input}:0": batch.images})
            for name, value in zip(names.output_ops, found):
                files.write_bytes(folder / "output" / f"Result_{number}" / f"{name}:0.raw", np.asarray(value).tobytes())
    return folder


@pytest.fixture
def board(float_board: Path, tmp_path: Path) -> Callable[[], Path]:
    """Gives a copy of it that may be damaged; files share their content until they are written anew."""

    def copy() -> Path:
        folder = tmp_path / "bundle"
        for path in float_board.rglob("*"):
            if path.is_file() and path.suffix != ".pb" and path.parent.name != bundle.INPUTS:
                target = folder / path.relative_to(float_board)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(path)
        return folder

    return copy
