"""The device variant from raw outputs: the detections of the variant that computed them, or a refusal that says why."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List

import numpy as np
import pytest

from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import DataError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images
from quant_accuracy.detection import store
from quant_accuracy.detection.detector import open_detector
from quant_accuracy.detection.run import Detected
from quant_accuracy.device.exchange import manifest
from quant_accuracy.graph import sessions
from quant_accuracy.pipeline import recorded_outputs
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.quantization import encodings_file
from quant_accuracy.settings.card import DataPaths

Copy = Callable[[], Path]


def _of(prepared: Prepared, folder: Path) -> Detected:
    return recorded_outputs.of_outputs(prepared, recorded_outputs.find_outputs(prepared, folder))


def _assert_same(found: Detected, wanted: Detected) -> None:
    assert [shard for shard, _ in found.parts] == [shard for shard, _ in wanted.parts]
    for (_, one), (_, other) in zip(found.parts, wanted.parts):
        for name in one.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_outputs_of_a_network_give_the_detections_of_who_runs_it_elsewhere(part: Prepared, float_board: Path) -> None:
    names, artifacts = part.request.card.graph, part.artifacts
    found = _of(part, float_board / "output")

    # As the backends' outputs are taken. What the whole graph computes may differ in the last bit.
    graph = artifacts.graph(FLOAT)
    with sessions.open_session(graph) as session, open_detector(
            graph, names, artifacts.suppression,
            lambda given: session.run([f"{name}:0" for name in names.output_ops], {f"{names.image_input}:0": given})) \
            as detect:
        shard = part.shards[1]
        batches = list(images.stream([shard], 1, 300, 300))
        wanted = store.gather([batch.image_ids for batch in batches], [batch.sizes for batch in batches],
                              [one for batch in batches for one in detect(batch.images, {})])
    _assert_same(Detected(found.parts[1:], None), Detected([(shard, wanted)], None))
    assert len(found.parts[0][1].image_ids) == 20


def test_results_stay_when_they_are_gone_through_again_and_change_with_a_file(part: Prepared, board: Copy,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    folder = board()
    opened: List[str] = []

    def counted(*given: Any, **named: Any) -> Any:
        opened.append("once more")
        return open_detector(*given, **named)

    monkeypatch.setattr(recorded_outputs, "open_detector", counted)
    before = _of(part, folder)

    _assert_same(_of(part, folder), before)
    after_again = len(opened)
    path = folder / "output" / "Result_21" / "concat_1:0.raw"
    values = np.fromfile(str(path), np.float32)
    path.unlink()
    files.write_bytes(path, np.roll(values, 1).tobytes())
    changed = _of(part, folder)

    assert after_again <= 1
    assert len(opened) == after_again + 1
    _assert_same(Detected(changed.parts[:1], None), Detected(before.parts[:1], None))
    assert not np.array_equal(changed.parts[1][1].scores, before.parts[1][1].scores)


def test_a_part_of_the_images_may_be_evaluated(part: Prepared, float_board: Path) -> None:
    first = replace(part, shards=[part.shards[0]])
    whole = _of(part, float_board)

    _assert_same(_of(first, float_board), Detected(whole.parts[:1], None))


def test_missing_results_are_named_with_the_shards_that_are_whole(part: Prepared, board: Copy) -> None:
    folder = board()
    for number in (20, 22):
        shutil.rmtree(str(folder / "output" / f"Result_{number}"))
    ids = [image.image_id for image in manifest.read(folder / "manifest.json").images]

    with pytest.raises(DataError) as raised:
        _of(part, folder)

    assert f"2 images have no result: {ids[20]}, {ids[22]}; judge the part that is there with --shards 0, or" \
        in str(raised.value)
    _of(replace(part, shards=[part.shards[0]]), folder)


def test_shards_that_are_not_in_the_bundle_are_named(part: Prepared, demo: DataPaths, cache: Cache,
                                                     float_board: Path) -> None:
    more = prepare(replace(part.request, selection="0-2", num_examples=None), cache)

    with pytest.raises(DataError, match="does not have all images of the shards 1-2; .*--shards 0, or"):
        recorded_outputs.find_outputs(more, float_board)
    other = prepare(replace(part.request, selection="3", num_examples=None), cache)
    with pytest.raises(DataError, match="another data set: none of its shards .*-00000-of-00010, .*has the content"):
        recorded_outputs.find_outputs(other, float_board)


def test_results_of_another_checkpoint_are_refused_with_the_file_that_differs(part: Prepared, demo_copy: DataPaths,
                                                                              float_board: Path) -> None:
    with open(str(demo_copy.checkpoint) + ".data-00000-of-00001", "r+b") as file:
        file.seek(100)
        file.write(b"\1\2\3")
    data = replace(part.request.data, checkpoint=demo_copy.checkpoint)

    with pytest.raises(DataError, match=r"another checkpoint \(.data-00000-of-00001 \w{12} there, \w{12} here\)"):
        recorded_outputs.find_outputs(replace(part, request=replace(part.request, data=data)), float_board)


def _with_encodings(part: Prepared, folder: Path, factor: float) -> Prepared:
    """With one range so many times as wide."""
    tensor = "concat_1:0"
    encodings = dict(part.artifacts.encodings)
    encodings[tensor] = tuple(replace(one, maximum=one.maximum * factor, scale=one.scale * factor)
                              for one in encodings[tensor])
    quantization = replace(part.artifacts.quantization, encodings=encodings)
    folder.mkdir()
    encodings_file.write(folder / "model.encodings", quantization)
    return replace(part, artifacts=replace(part.artifacts, quantization=quantization, quantsim_folder=folder))


def test_results_of_other_encodings_are_refused_with_the_tensor(part: Prepared, float_board: Path,
                                                                tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"other encodings of 1 tensors \(concat_1:0 .* there, .* here\)"):
        recorded_outputs.find_outputs(_with_encodings(part, tmp_path / "wider", 1.01), float_board)
    # The last digits of calibration on another machine.
    recorded_outputs.find_outputs(_with_encodings(part, tmp_path / "same", 1 + 1e-9), float_board)


def test_encodings_of_the_bundle_that_are_gone_are_no_excuse(part: Prepared, board: Copy, tmp_path: Path) -> None:
    folder = board()
    (folder / "model.encodings").unlink()

    with pytest.raises(DataError, match="other encodings .* is not there"):
        recorded_outputs.find_outputs(_with_encodings(part, tmp_path / "wider", 1.01), folder)


def test_one_result_for_most_images_is_refused(part: Prepared, board: Copy) -> None:
    folder = board()
    results: List[Path] = sorted((folder / "output").iterdir())
    for path in results[1:15]:
        shutil.rmtree(str(path))
        shutil.copytree(str(results[0]), str(path))

    with pytest.raises(DataError, match="the results of 15 of 23 images are the same to the last bit"):
        _of(part, folder)


def test_images_that_are_decoded_to_other_pixels_are_refused(part: Prepared, board: Copy) -> None:
    folder = board()
    found = manifest.read(folder / "manifest.json")
    bundled = list(found.images)
    bundled[3] = replace(bundled[3], pixels="0" * 64)
    (folder / "manifest.json").unlink()
    manifest.write(folder / "manifest.json", replace(found, images=tuple(bundled)))

    with pytest.raises(DataError, match=f"image {bundled[3].image_id} is decoded to other pixels"):
        recorded_outputs.of_outputs(replace(part, cache=Cache(folder / "cache")),
                                    recorded_outputs.find_outputs(part, folder))
