"""The dtypes of outputs, against those that TensorFlow gives them when it builds the graph."""

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.graph import dtypes
from quant_accuracy.settings.card import DataPaths


def _compared(graph: tf.Graph) -> int:
    """How many outputs were compared."""
    outputs = 0
    for op in graph.get_operations():
        wanted = [tensor.dtype.base_dtype for tensor in op.outputs]
        outputs += len(wanted)

        assert dtypes.output_dtypes(op.node_def) == wanted, op.name
    return outputs


def test_every_output_of_a_detector_has_the_dtype_that_tensorflow_gives_it(demo: DataPaths) -> None:
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(f"{demo.checkpoint}.meta")

    assert _compared(graph) > 4000


def test_lists_counts_references_defaults_and_bool_and_integer_outputs_are_followed() -> None:
    with tf.Graph().as_default() as graph:
        images = tf.placeholder(tf.float32, [2, 4, 4, 3])
        variable = tf.get_variable("ref", [3], use_resource=False)
        tf.get_variable("resource", [3], use_resource=True)
        tf.where(images > variable, images, -images)
        tf.where(images > 0)
        tf.argmax(images, -1, output_type=tf.int32)
        tf.cast(images, tf.uint8)
        tf.split(images, 3, -1)
        tf.unstack(images, axis=1)
        tf.identity_n([images, tf.shape(images), images > 0])
        tf.raw_ops.FusedBatchNormV3(x=tf.cast(images, tf.half), scale=variable, offset=variable, mean=variable,
                                    variance=variable)
        tf.while_loop(lambda n: n < 3, lambda n: n + 1, [tf.constant(0)])
        tf.no_op()

    assert _compared(graph) > 60
    for op in graph.get_operations():
        stripped = tf.NodeDef()
        stripped.CopyFrom(op.node_def)
        stripped.attr.pop("out_type", None)
        wanted = [tensor.dtype.base_dtype for tensor in op.outputs]

        assert op.type != "Shape" or dtypes.output_dtypes(stripped) == wanted


def test_an_output_that_is_not_there_is_an_error_that_names_the_op() -> None:
    node = tf.NodeDef(name="net/split", op="Split")
    node.attr["T"].type, node.attr["num_split"].i = tf.float32.as_datatype_enum, 2

    assert dtypes.output_dtype(node, 1) == tf.float32
    with pytest.raises(GraphError, match=r"'net/split', a Split, has no output 2; correct"):
        dtypes.output_dtype(node, 2)


def test_an_op_that_tensorflow_does_not_know_is_an_error_that_names_it() -> None:
    with pytest.raises(GraphError, match=r"'net/odd' is a OddOp, which TensorFlow .* does not know; export"):
        dtypes.output_dtype(tf.NodeDef(name="net/odd", op="OddOp"))
    with pytest.raises(GraphError, match=r"'net/split', a Split, has no attribute T; export"):
        dtypes.output_dtype(tf.NodeDef(name="net/split", op="Split"))
