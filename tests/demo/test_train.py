"""What a training of the demo leaves."""

from pathlib import Path

from quant_accuracy.demo import ready, train
from tests.support import lanes

pytestmark = lanes.needs_object_detection


def test_the_committed_checkpoint_is_what_an_export_of_it_gives_again(tmp_path: Path) -> None:
    train.export(ready.CHECKPOINT, tmp_path)

    committed = sorted(ready.CHECKPOINT.parent.iterdir())
    assert [path.name for path in sorted(tmp_path.iterdir())] == [path.name for path in committed]
    assert all((tmp_path / path.name).read_bytes() == path.read_bytes() for path in committed)
