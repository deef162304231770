"""What TensorFlow cannot run is one error that names graph, op and remedy."""

from typing import Any, Callable, Dict, Iterator

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError, OutOfMemoryError
from quant_accuracy.graph import sessions
from quant_accuracy.graph.sessions import GraphSession
from tests.support import lanes

_TAKEN_SINCE = pytest.mark.skipif(not lanes.TENSORFLOW_1, reason="TensorFlow 2 runs it")

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
        tf.raw_ops.Switch(data=1.0, pred=True, name="branch")
        tf.while_loop(lambda x: x < 3, lambda x: tf.add(x, 1, name="inner"), [0], name="loop")
        tf.add(tf.placeholder(tf.float32, [], name="threshold"), 1.0, name="above")
        tf.add(1, 2, name="crossing")
    result = graph.as_graph_def()
    (crossing,) = [node for node in result.node if node.name == "crossing"]
    crossing.input[1] = "loop/inner"
    return result


@pytest.fixture(scope="module")
def session() -> Iterator[GraphSession]:
    with sessions.open_session(_graph(), "the float graph") as opened:
        yield opened


@pytest.mark.parametrize(("fetch", "feed", "message"), [
    ("product:0", {"matrix:0": np.ones([2, 2])},
     r"fails at the op 'product', a MatMul \(Matrix size-incompatible: .*\); correct image_input, input and"),
    ("sum:0", {"shape:0": [1 << 20, 1 << 20]},
     r"out of memory at the op 'huge', a Fill \(OOM .*\); lower --eval-batch-size or --threads"),
    ("floats:0", {"image_tensor:0": np.zeros([4, 4, 4, 3])},
     r"image_tensor:0 takes 1 image at a time, and a batch of 4 was fed; leave --eval-batch-size out$"),
    ("floats:0", {"image_tensor:0": np.zeros([1, 6, 5, 3])},
     r"image_tensor:0 takes images of 4x4 \(height x width\), and images of 6x5 were fed; correct input in the model"),
    ("floats:0", {"image_tensor:0": np.zeros([1, 4, 4, 1])}, r"takes the shape \[1, 4, 4, 3\], and \[1, 4, 4, 1\] was"),
    ("floats:0", {"image:0": _IMAGE}, r"no tensor 'image:0'; correct image_input .*\(did you mean .*image_tensor\?\)"),
    ("float:0", {},
     r"no tensor 'float:0'; correct detections or output_ops in the model card \(did you mean floats\?\)"),
    ("floats:0", {}, "nothing feeds the placeholder 'image_tensor', a uint8; correct image_input in the model card"),
    ("above:0", {}, r"placeholder 'threshold', a float; .*with a default for it \(tf.placeholder_with_default\)"),
    ("branch:0", {}, r"a tensor is in a branch that this run does not take \(Retval.*output_ops.*without that control"),
    ("loop/inner:0", {}, r"a tensor.* is in a loop, where nothing outside of it can take it \(.*already been set"),
    ("crossing:0", {}, r"a tensor.* is in a loop, where nothing outside of it can take it \(.*without that control"),
    pytest.param("channels_first:0", {"image_tensor:0": _IMAGE},
     r"'channels_first', a Conv2D .*NCHW.* run on CPUs \(data_format NH", marks=_TAKEN_SINCE),
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
    pytest.param(_with_attribute,
                 r"at the op 'floats' \(NodeDef mentions attr 'of_another_version' not in Op<name=Cast",
                 marks=_TAKEN_SINCE),
    (_cut_off, r"\(Node 'floats': Unknown input node 'gone'\)"),
])
def test_a_graph_that_cannot_be_built_says_why(change: Callable[[tf.NodeDef], None], message: str) -> None:
    graph = _graph()
    change(next(node for node in graph.node if node.name == "floats"))

    with pytest.raises(GraphError, match=f"the float graph: TensorFlow {tf.__version__} .*{message}"), \
            sessions.open_session(graph, "the float graph"):
        pass
