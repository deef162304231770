"""Overrides of single quantizers."""

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Override
from tests.support.configurations import place


def test_overrides_change_single_quantizers_and_later_ones_win(network: tf.GraphDef) -> None:
    placed = place(network, Configuration(), Override("*/weights:0", bitwidth=4),
                   Override("dense/weights:0", bitwidth=16, symmetric=True), Override("joined:0", enabled=False))

    by_tensor = {q.tensor: q for q in placed}
    assert [by_tensor[f"{name}/weights:0"].bitwidth for name in ("first", "deep", "dense")] == [4, 4, 16]
    assert by_tensor["dense/weights:0"].symmetry.symmetric
    assert not by_tensor["joined:0"].enabled


def test_an_override_that_matches_nothing_is_an_error(network: tf.GraphDef) -> None:
    with pytest.raises(ConfigurationError, match="'dense/weight:0' matches no quantizer.*dense/weights:0"):
        place(network, Configuration(), Override("dense/weight:0", bitwidth=4))
