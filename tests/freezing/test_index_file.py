"""Index files of checkpoints that something has damaged."""

from pathlib import Path

import pytest

from quant_accuracy.base.errors import CheckpointError
from quant_accuracy.freezing import load
from quant_accuracy.settings.card import DataPaths


@pytest.mark.parametrize("end", [b"\0\0\0" + b"\xff" * 8 + b"\x7f", b"\0\0" + b"\xff" * 8 + b"\x7f\1"],
                         ids=["size", "offset"])
def test_an_index_that_names_a_block_beyond_its_end_is_an_error_and_does_not_end_the_process(
        demo_copy: DataPaths, end: bytes) -> None:
    path = Path(f"{demo_copy.checkpoint}.index")
    content = path.read_bytes()
    path.write_bytes(content[:-48] + end.ljust(40, b"\0") + content[-8:])

    with pytest.raises(CheckpointError, match=r"model\.ckpt\.index: its end is damaged.*copy the checkpoint again"):
        load.load_frozen(demo_copy.checkpoint, ["concat", "concat_1"])
