"""What TensorFlow cannot run, and what crashes, is one line and status 2 at every door: never a red gate."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import command_line
from quant_accuracy.base.errors import DefectError, GraphError, OutOfMemoryError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import FLOAT
from quant_accuracy.detection import detector
from quant_accuracy.detection.run import Run
from quant_accuracy.executors.contract import Workload
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.graph import sessions
from quant_accuracy.graph.sessions import GraphSession
from quant_accuracy.pipeline import evaluation
from quant_accuracy.pipeline.assignment import of_artifacts
from quant_accuracy.settings import executor
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.support import broken, defect_plugin, processes, suite
from tests.support.places import ROOT
from tools import report

_IMAGE = np.zeros([1, 4, 4, 3], np.uint8)


def _graph() -> tf.GraphDef:
    with tf.Graph().as_default() as graph:
        matrix = tf.placeholder(tf.float32, [None, None], name="matrix")
        tf.matmul(matrix, tf.ones([3, 3]), name="product")
        shape = tf.placeholder(tf.int32, [None], name="shape")
        tf.reduce_sum(tf.fill(shape, 1.0, name="huge"), name="sum")
        images = tf.cast(tf.placeholder(tf.uint8, [1, 4, 4, 3], name="image_tensor"), tf.float32, name="floats")
        tf.nn.conv2d(tf.transpose(images, [0, 3, 1, 2]), tf.ones([1, 1, 3, 2]), strides=[1, 1, 1, 1], padding="SAME",
                     data_format="NCHW", name="channels_first")
        tf.Variable([1.0], name="variable")
    return graph.as_graph_def()


@pytest.fixture(scope="module")
def session() -> Iterator[GraphSession]:
    with sessions.open_session(_graph(), "the float graph") as opened:
        yield opened


@pytest.mark.parametrize(("fetch", "feed", "message"), [
    ("product:0", {"matrix:0": np.ones([2, 2])},
     r"fails at the op 'product', a MatMul \(Matrix size-incompatible: .*\); correct image_input, input and"),
    ("sum:0", {"shape:0": [1 << 20, 1 << 20]},
     r"the memory ran out at the op 'huge', a Fill \(OOM .*\); lower --eval-batch-size or --threads"),
    ("floats:0", {"image_tensor:0": np.zeros([4, 4, 4, 3])},
     r"image_tensor:0 takes 1 image at a time, and a batch of 4 was fed; leave --eval-batch-size out$"),
    ("floats:0", {"image_tensor:0": np.zeros([1, 6, 5, 3])},
     r"image_tensor:0 takes images of 4x4 \(height x width\), and images of 6x5 were fed; correct input in the model"),
    ("floats:0", {"image_tensor:0": np.zeros([1, 4, 4, 1])}, r"takes the shape \[1, 4, 4, 3\], and \[1, 4, 4, 1\] was"),
    ("floats:0", {"image:0": _IMAGE}, r"no tensor 'image:0'; correct image_input .*\(did you mean .*image_tensor\?\)"),
    ("float:0", {},
     r"no tensor 'float:0'; correct detections or output_ops in the model card \(did you mean floats\?\)"),
    ("floats:0", {}, "fails at the op 'image_tensor', a Placeholder .*correct image_input"),
    ("channels_first:0", {"image_tensor:0": _IMAGE},
     r"'channels_first', a Conv2D .*NCHW.* run on CPUs \(data_format NH"),
    ("variable:0", {}, "uninitialized value variable.*nothing is initialized in a frozen graph: export the checkpoint"),
])
def test_what_a_graph_does_not_take_or_cannot_do_names_graph_op_and_remedy(
        session: GraphSession, fetch: str, feed: Dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=f"the float graph: .*{message}") as caught:
        session.run(fetch, feed)

    assert len(str(caught.value).splitlines()) == 1
    assert "/job:" not in str(caught.value)
    assert isinstance(caught.value, OutOfMemoryError) == (fetch == "sum:0")


def test_what_a_callable_cannot_do_is_the_same_error(session: GraphSession) -> None:
    call = session.make_callable(["product:0"], ["matrix:0"])

    assert np.array_equal(call(np.ones([1, 3]))[0], np.full([1, 3], 3.0))
    with pytest.raises(GraphError, match="the float graph: TensorFlow fails at the op 'product', a MatMul"):
        call(np.ones([1, 2]))


def test_a_fault_of_ours_stays_what_it_is(session: GraphSession) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        session.run("floats:0", {"image_tensor:0": np.array("not a number")})


def _renamed(node: tf.NodeDef) -> None:
    node.op = "OpOfAnotherVersion"


def _with_attribute(node: tf.NodeDef) -> None:
    node.attr["of_another_version"].i = 3


def _cut_off(node: tf.NodeDef) -> None:
    node.input[0] = "gone"


@pytest.mark.parametrize(("change", "message"), [
    (_renamed, r"cannot build the graph \(Op type not registered 'OpOfAnotherVersion'\); export the checkpoint again"),
    (_with_attribute, r"at the op 'floats' \(NodeDef mentions attr 'of_another_version' not in Op<name=Cast"),
    (_cut_off, r"\(Node 'floats': Unknown input node 'gone'\)"),
])
def test_a_graph_that_cannot_be_built_says_why(change: Callable[[tf.NodeDef], None], message: str) -> None:
    graph = _graph()
    change(next(node for node in graph.node if node.name == "floats"))

    with pytest.raises(GraphError, match=f"the float graph: TensorFlow {tf.__version__} .*{message}"), \
            sessions.open_session(graph, "the float graph"):
        pass


def test_scores_that_are_not_numbers_are_an_error_and_no_missing_detections() -> None:
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.uint8, [None, 4, 4, 3], name="image_tensor")
        brightest = tf.reduce_max(tf.cast(images, tf.float32), axis=[1, 2, 3])
        tf.reshape(brightest / brightest, [-1, 1], name="detection_scores")
        tf.zeros([tf.shape(images)[0], 1, 4], name="detection_boxes")
        tf.ones([tf.shape(images)[0], 1], name="detection_classes")
        tf.ones([tf.shape(images)[0]], name="num_detections")
    names = GraphNames("image_tensor", "start", ("out",), ("detection_boxes", "detection_scores", "detection_classes",
                                                          "num_detections"))
    with detector.open_detector(graph.as_graph_def(), names, None, label="the quantized graph") as detect:
        assert [found.scores.tolist() for found in detect(np.ones([2, 4, 4, 3], np.uint8), {})] == [[1.0], [1.0]]
        with pytest.raises(GraphError, match="the quantized graph: detection_scores:0 is NaN for 1 of 2 images"):
            detect(np.concatenate([_IMAGE, np.ones_like(_IMAGE)]), {})


@pytest.mark.parametrize(("order", "message"), [
    ((1, 0, 2, 3), r"detection_scores has the shape \[1, 1\], not \[1, 1, 4\]"),
    ((0, 1, 3, 2), r"num_detections has the shape \[1\], not \[1, 1\]"),
])
def test_outputs_that_the_card_confuses_are_named(order: Tuple[int, ...], message: str) -> None:
    shapes = {"detection_boxes": [1, 1, 4], "detection_scores": [1, 1], "detection_classes": [1, 1],
              "num_detections": [1]}
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.uint8, [None, 4, 4, 3], name="image_tensor")
        for name, shape in shapes.items():
            tf.ones(shape, name=name)
    boxes, scores, classes, count = (list(shapes)[index] for index in order)
    names = GraphNames("image_tensor", "start", ("out",), (boxes, scores, classes, count))

    with detector.open_detector(graph.as_graph_def(), names, None) as detect, \
            pytest.raises(GraphError, match=f"{message}; correct detections in the model card"):
        detect(_IMAGE, {})


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


@pytest.mark.parametrize(("error", "message"), [
    (MemoryError(), "error: the memory ran out; lower --eval-batch-size"),
    (OSError(5, "Input/output error", "/data/val.record"), "error: /data/val.record: Input/output error; see that it"),
])
def test_what_the_machine_refuses_is_no_defect(error: Exception, message: str, capsys: pytest.CaptureFixture) -> None:
    def work() -> int:
        raise error

    assert command_line.exit_status(work) == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert "Traceback" not in said


def test_a_reader_that_goes_away_ends_a_command_line_with_status_2() -> None:
    program = "import sys\nfrom quant_accuracy.base import command_line\n" \
              "def work():\n    while True:\n        print('x' * 10000)\nsys.exit(command_line.exit_status(work))"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=str(ROOT), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()

    process.stdout.close()

    assert process.stderr.read() == "error: nobody reads the standard output any more; finished shards are kept\n"
    assert process.wait(timeout=30) == 2


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


def test_a_crash_of_a_worker_is_one_line_and_not_tried_again(demo_artifacts: Artifacts, demo_card: ModelCard) -> None:
    assignment = of_artifacts(demo_artifacts, demo_card, [Run(FLOAT)], 1, {})
    workload = Workload(replace(assignment, graphs={FLOAT: b"no graph"}), iter([]), 1, 1, lambda *_: None)
    retried: List[Any] = []

    with pytest.raises(DefectError, match="DecodeError at .*; this is a defect of the suite and no verdict: report it"):
        ProcessExecutor(1, 1, None).detect(workload, retried.append)

    assert not retried
