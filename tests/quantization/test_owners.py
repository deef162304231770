"""The ops that quantizers belong to."""

from quant_accuracy.quantization import owners
from quant_accuracy.quantization.records import PARAM
from tests.support.networks import small_quantized


def test_an_activation_is_named_by_the_layer_before_its_bias() -> None:
    network = small_quantized()
    layers = owners.of_quantizers(network.graph, network.measured())

    assert (layers["b/BiasAdd:0"].name, layers["b/BiasAdd:0"].op) == ("b/depthwise", "DepthwiseConv2dNative")
    assert (layers["a/Relu6:0"].name, layers["a/Relu6:0"].op) == ("a/Relu6", "Relu6")
    assert {layers[q.tensor].name for q in network.measured() if q.kind == PARAM} == {"a/Conv2D", "b/depthwise", "end"}
