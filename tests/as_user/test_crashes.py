"""What TensorFlow cannot run, and what crashes, is one line and status 2 at every door: never a red gate."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Tuple

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.commands import report
from quant_accuracy.pipeline import evaluation
from quant_accuracy.settings import executor
from quant_accuracy.settings.card import DataPaths
from tests.support import broken, defect_plugin, processes, suite

pytestmark = pytest.mark.one_lane


@pytest.fixture(scope="module")
def one_at_a_time(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    """The demo with a checkpoint that takes one image at a time, which nothing but its run can tell."""
    folder = tmp_path_factory.mktemp("one at a time")
    meta = tf.MetaGraphDef.FromString(Path(f"{demo.checkpoint}.meta").read_bytes())
    start = next(node for node in meta.graph_def.node if node.name.endswith("MobilenetV2/input"))
    shape = meta.graph_def.node.add(name="one/shape", op="Const")
    shape.attr["dtype"].type = tf.int32.as_datatype_enum
    shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([1, 300, 300, 3], tf.int32))
    one = meta.graph_def.node.add(name="one/image", op="Reshape", input=[start.input[0], "one/shape"])
    one.attr["T"].type = tf.float32.as_datatype_enum
    one.attr["Tshape"].type = tf.int32.as_datatype_enum
    start.input[0] = "one/image"
    (folder / "model.ckpt.meta").write_bytes(meta.SerializeToString())
    for path in demo.checkpoint.parent.glob("model.ckpt.[di]*"):
        (folder / path.name).symlink_to(path)
    return replace(demo, checkpoint=folder / "model.ckpt")


_PART = ("--shards", "0", "--calibration-images", "4", "--eval-batch-size", "4")
_FAILS = ("the float graph: TensorFlow fails at the op 'one/image', a Reshape (Input to reshape is a tensor with "
          "1080000 values, but the requested shape has 270000); correct image_input")


@pytest.fixture(scope="module")
def folder(one_at_a_time: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cache is that the doors share."""
    return tmp_path_factory.mktemp("doors")


@pytest.mark.parametrize("executor", [(), ("--executor", "processes", "--jobs", "1")])
def test_a_report_on_a_graph_that_fails_ends_with_one_line_and_status_2(
        one_at_a_time: DataPaths, folder: Path, executor: Tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    status = report.main(broken.arguments(one_at_a_time, folder, *_PART, *executor))

    said = capsys.readouterr().err
    assert status == 2
    assert said.count("error: ") == 1
    assert said.strip().splitlines()[-1].startswith(f"error: {one_at_a_time.dataset_dir}/demo_val.record-0000")
    assert _FAILS in said
    assert "Traceback" not in said
    assert "run again" not in said


@pytest.mark.soak
@pytest.mark.skipif(not executor.ray_installed(), reason="Ray is not installed; './run ray-install' does it")
def test_an_actor_of_ray_says_the_same(one_at_a_time: DataPaths, folder: Path) -> None:
    arguments = broken.arguments(one_at_a_time, folder, *_PART, "--executor", "ray", "--jobs", "1")
    process = processes.start_report(arguments)

    err = process.communicate(timeout=300)[1]

    assert process.returncode == 2, err
    assert f"error: {one_at_a_time.dataset_dir}/demo_val.record-0000" in err
    assert _FAILS in err
    assert "Traceback" not in err
    assert "run again" not in err


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_the_suite_on_a_graph_that_fails_says_the_same_and_has_status_2(
        one_at_a_time: DataPaths, folder: Path, parallel: Tuple[str, ...]) -> None:
    typed = broken.arguments(one_at_a_time, folder, *_PART)

    done = suite.run(folder, *typed, *parallel, "-k", "mAP_drop or biases")

    assert done.status == 2, done.said
    gate = next(name for name in done.outcomes if "mAP_drop" in name)
    assert done.outcomes[gate] == suite.ERROR
    assert f"could not measure: {one_at_a_time.dataset_dir}/demo_val.record-0000" in done.messages[gate]
    assert _FAILS in done.messages[gate]
    assert "Traceback" not in done.said
    assert len(done.red()) == 1


def test_the_same_report_without_the_batch_size_is_a_verdict(one_at_a_time: DataPaths, folder: Path) -> None:
    assert report.main(broken.arguments(one_at_a_time, folder, *_PART[:-2])) in (0, 1)


def test_calibration_on_a_graph_that_fails_ends_with_one_line_and_status_2(
        one_at_a_time: DataPaths, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    meta = tf.MetaGraphDef.FromString(Path(f"{one_at_a_time.checkpoint}.meta").read_bytes())
    shape = next(node for node in meta.graph_def.node if node.name == "one/shape")
    shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto([2, 300, 300, 3], tf.int32))
    for path in one_at_a_time.checkpoint.parent.glob("model.ckpt.[di]*"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "model.ckpt.meta").write_bytes(meta.SerializeToString())

    status = report.main(broken.arguments(replace(one_at_a_time, checkpoint=tmp_path / "model.ckpt"), tmp_path, *_PART))

    said = capsys.readouterr().err
    assert status == 2
    assert "TensorFlow fails at the op 'one/image', a Reshape" in said.strip().splitlines()[-1]
    assert "Traceback" not in said


def test_a_crash_of_a_command_line_keeps_its_traceback_and_has_status_2(
        demo: DataPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(evaluation, "evaluate", defect_plugin._crash)

    status = report.main(broken.arguments(demo, tmp_path))

    said = capsys.readouterr().err
    assert status == 2
    assert "Traceback" in said
    assert said.strip().splitlines()[-1].startswith("error: AttributeError at defect_plugin.py:")
    assert f"{defect_plugin.SAID}; this is a defect of the suite and no verdict: report it" in said


@pytest.mark.parametrize(("where", "parallel"), [
    (defect_plugin.EVALUATION, ()), (defect_plugin.EVALUATION, ("-n", "2")), (defect_plugin.REPORT, ())])
def test_a_crash_under_pytest_has_status_2_and_is_told_once(cache: Any, demo: DataPaths, tmp_path: Path, where: str,
                                                            parallel: Tuple[str, ...]) -> None:
    done = suite.run(tmp_path, "--shards", "0", "-k", "gate or biases", "-p", "tests.support.defect_plugin", *parallel,
                     **{defect_plugin.VARIABLE: where})

    assert done.status == 2, done.said
    line = f"{defect_plugin.SAID}; this is a defect of the suite and no verdict: report it"
    assert [said for said in done.said.splitlines() if line in said]
    assert sum(said.startswith(("could not measure: AttributeError", "error: AttributeError"))
               for said in done.said.splitlines()) == 1
    if where == defect_plugin.EVALUATION:
        assert any("Traceback" in text or "defect_plugin.py" in text for text in done.messages.values())
        assert suite.PASSED in done.outcomes.values()
