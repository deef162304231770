"""The network as AIMET's own session runs it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from quant_accuracy.base.errors import StorageError
from quant_accuracy.graph import sessions
from quant_accuracy.quantization import aimet_onnx, simulate
from tests.quantization.aimet_onnx.conftest import SMALL_NAMES, Both, small_images


def test_it_gives_what_the_simulation_here_gives_but_for_what_rounds_the_other_way(small_both: Both) -> None:
    image = small_images(6)[-1]
    graph = simulate.simulate(small_both.network.graph, small_both.theirs)
    fetches = simulate.network_outputs(SMALL_NAMES.output_ops, small_both.theirs)
    with sessions.open_session(graph) as session:
        expected = session.run(list(fetches), {"images:0": image})

    with aimet_onnx.open_network(small_both.folder, SMALL_NAMES) as run:
        found = run(image)

    for name, theirs, ours in zip(SMALL_NAMES.output_ops, found, expected):
        step = small_both.theirs.encodings[f"{name}:0"][0].scale
        assert theirs.shape == ours.shape
        assert np.mean(np.abs(theirs - ours) > 0.5 * step) < 0.02
        assert np.abs(theirs - ours).max() < 2.5 * step


def test_batches_and_threads_make_no_difference(small_both: Both) -> None:
    images = small_images(8)
    with aimet_onnx.open_network(small_both.folder, SMALL_NAMES) as run:
        one_by_one = [run(image) for image in images]
        together = run(np.concatenate(images))
        with ThreadPoolExecutor(4) as pool:
            at_once = list(pool.map(run, images))

    for output in range(2):
        assert (together[output] == np.concatenate([values[output] for values in one_by_one])).all()
        assert all((a[output] == b[output]).all() for a, b in zip(one_by_one, at_once))


def test_a_folder_that_holds_no_simulation_is_named(with_aimet_onnx: None, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"state\.json: no such file; delete .*"), \
            aimet_onnx.open_network(tmp_path, SMALL_NAMES):
        pass


@pytest.mark.parametrize("name", ["state.json", "model.onnx", "settings.json", "preprocessing.pb"])
def test_a_damaged_file_is_one_line_with_a_remedy(small_both: Both, tmp_path: Path, name: str) -> None:
    copy = tmp_path / "aimet_onnx"
    copy.mkdir()
    for path in (small_both.folder / "aimet_onnx").iterdir():
        (copy / path.name).write_bytes(b"\xff" if path.name == name else path.read_bytes())

    with pytest.raises(StorageError, match=r"delete .*, it will be rebuilt") as caught, \
            aimet_onnx.open_network(tmp_path, SMALL_NAMES):
        pass

    assert "\n" not in str(caught.value)
