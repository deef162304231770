"""How quantizers are named."""

import pytest

from quant_accuracy.quantization import records


@pytest.mark.parametrize(("tensor", "layer", "said"), [
    ("box/weights/read:0", "box/Conv2D", "box/weights/read:0"), ("box:0", "box", "box:0"),
    ("bias_value_3:0", "box/Conv2D", "bias_value_3:0 of box/Conv2D"),
])
def test_a_tensor_whose_name_does_not_tell_is_named_with_its_layer(tensor: str, layer: str, said: str) -> None:
    assert records.with_layer(tensor, layer) == said
