"""Tensors of a model find those of the simulation by their names."""

import tensorflow.compat.v1 as tf

from quant_accuracy.device.depth import counterparts
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantization, Quantizer, Symmetry

_ENCODING = Encoding(0.0, 6.0, 6.0 / 255, 0, 8)


def _quantizer(op: str, kind: str = ACTIVATION, enabled: bool = True) -> Quantizer:
    return Quantizer(f"{op}_quantized", f"{op}:0", kind, 8, Symmetry(), enabled, "")


def _graph() -> tf.GraphDef:
    """Constants, and ops one behind the other, not in the order in which they run."""
    graph = tf.GraphDef()
    for name, op, inputs in [("weights", "Const", []), ("start", "Placeholder", []), ("relu", "Relu", ["bias"]),
                             ("conv", "Conv2D", ["start", "weights"]), ("bias", "BiasAdd", ["conv", "weights"]),
                             ("relu_quantized", "FakeQuantWithMinMaxArgs", ["relu"]),
                             ("reshaped", "Reshape", ["relu_quantized"]), ("split", "Split", ["reshaped"]),
                             ("weights1", "Const", [])]:
        graph.node.add(name=name, op=op, input=inputs)
    return graph


_SIMULATION = _graph()
_QUANTIZATION = Quantization([_quantizer("relu"), _quantizer("reshaped", enabled=False), _quantizer("weights", PARAM)],
                             {"relu:0": (_ENCODING,), "weights:0": (_ENCODING,)})


def test_a_tensor_is_that_of_its_name_behind_its_quantizer() -> None:
    found = counterparts.find(["relu", "relu_quantized", "reshaped", "start", "split:1"], _SIMULATION, _QUANTIZATION)

    assert {name: item.source for name, item in found.items()} == {
        "relu": "relu_quantized:0", "relu_quantized": "relu_quantized:0", "reshaped": "reshaped:0",
        "start": "start:0", "split:1": "split:1"}
    assert found["relu"].encoding == found["relu_quantized"].encoding == _ENCODING
    assert found["reshaped"].encoding is None
    assert found["relu_quantized"].tensor == "relu:0"


def test_of_ops_that_became_one_the_last_gives_the_tensor() -> None:
    found = counterparts.find(["relu;bias;conv;weights1", "conv;bias;unknown"], _SIMULATION, _QUANTIZATION)

    assert [item.source for item in found.values()] == ["relu_quantized:0", "bias:0"]


def test_a_number_that_a_converter_adds_does_not_make_a_name_that_of_another_op() -> None:
    graph = tf.GraphDef()
    graph.CopyFrom(_SIMULATION)
    graph.node.add(name="bias1", op="BiasAdd", input=["split", "weights"])

    found = counterparts.find(["relu;conv;bias1", "bias1"], graph, _QUANTIZATION)

    assert [item.source for item in found.values()] == ["relu_quantized:0", "bias1:0"]


def test_a_name_that_the_simulation_lacks_has_no_counterpart() -> None:
    assert counterparts.find(["invented", "", "weights"], _SIMULATION, _QUANTIZATION) == {}
