"""Settings that were asked for and change nothing are said, and those that change something are not."""

from pathlib import Path
from typing import Any, List, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.quantization import effects
from quant_accuracy.quantization.configuration import BIAS, WEIGHT, Configuration, OpRule, ParamRule
from quant_accuracy.quantization.records import TF_ENHANCED, Override, Settings

_NAMES = GraphNames("images", ("start",), ("end",), ("boxes", "scores", "classes", "count"))


@pytest.fixture(scope="module")
def network() -> tf.GraphDef:
    """Start (an Identity) -> conv + bias -> relu -> add -> end."""
    with tf.Graph().as_default() as graph:
        start = tf.identity(tf.placeholder(tf.float32, [1, 8, 8, 3], name="images"), name="start")
        weights = tf.constant(np.ones([3, 3, 3, 4], np.float32), name="weights")
        found = tf.nn.bias_add(tf.nn.conv2d(start, weights, 1, "SAME", name="conv"),
                               tf.constant(np.ones(4, np.float32), name="bias"), name="conv/BiasAdd")
        found = tf.nn.relu(found, name="relu")
        tf.add(found, found, name="end")
    return graph.as_graph_def()


def _said(network: tf.GraphDef, options: Sequence[str] = (), **settings: Any) -> List[str]:
    return effects.without_effect(lambda: network, _NAMES, Settings(**settings), options)


def test_what_nobody_asked_for_is_not_said_and_nothing_is_loaded_for_it() -> None:
    def load() -> tf.GraphDef:
        raise AssertionError("there is nothing to try")

    assert effects.without_effect(load, _NAMES, Settings()) == []


_ON = ParamRule(True, True)


@pytest.mark.parametrize(("changes", "said"), [
    ({"strict": True}, "strict_symmetric: True changes nothing: no enabled quantizer is symmetric"),
    ({"unsigned": False}, "unsigned_symmetric: False changes nothing: no enabled quantizer is symmetric"),
    ({"per_channel": True, "params": {WEIGHT: ParamRule(False)}}, "per_channel_quantization: True changes nothing"),
    ({"op_types": {"Gemm": OpRule(output=False), "MaxPool": OpRule(output=False)}},
     "op_type: Gemm, MaxPool changes nothing"),
    ({"supergroups": (("Gemm", "Clip"),)}, "supergroups changes nothing"),
    # The start is an Identity, which never gets a quantizer.
    ({"model_input": False}, "model_input: is_input_quantized: False changes nothing"),
    ({"model_output": True}, "model_output: is_output_quantized: True changes nothing"),
    ({"params": {BIAS: ParamRule(False, True)}}, "params.bias: is_symmetric changes nothing"),
    ({"all_params": _ON, "params": {WEIGHT: ParamRule(None, False), BIAS: ParamRule(False)}},
     "defaults.params: is_symmetric changes nothing"),
    ({"ops": OpRule(output=False, symmetric=True)}, "defaults.ops: is_symmetric changes nothing"),
])
def test_a_configuration_that_changes_nothing_is_said_in_one_line(network: tf.GraphDef, changes: Any,
                                                                  said: str) -> None:
    (line,) = _said(network, configuration=Configuration(**changes))

    assert line.startswith(said)


@pytest.mark.parametrize("changes", [
    {"strict": True, "unsigned": False, "all_params": _ON},
    {"unsigned": False, "ops": OpRule(output=True, symmetric=True)},
    {"per_channel": True},
    # One of them is in the network, as rules for many networks have it.
    {"op_types": {"Gemm": OpRule(output=False), "Add": OpRule(output=False)}},
    {"supergroups": (("Gemm", "Clip"), ("Conv", "Relu"))},
    {"model_output": False},
    {"params": {BIAS: ParamRule(True, True)}},
    # Each repeats the other.
    {"all_params": _ON, "params": {WEIGHT: ParamRule(True, True), BIAS: ParamRule(False)}},
], ids=str)
def test_a_configuration_that_changes_something_is_not_said(network: tf.GraphDef, changes: Any) -> None:
    assert _said(network, configuration=Configuration(**changes)) == []


@pytest.mark.parametrize(("overrides", "said"), [
    ([Override("weights:0", bitwidth=8)],
     ["the override of 'weights:0': bitwidth: 8 changes nothing: the quantizers that it matches have it without it"]),
    ([Override("bias:0", symmetric=True)],
     ["the override of 'bias:0': symmetric: True changes nothing: the quantizers that it matches are off"]),
    ([Override("end:0", bitwidth=4, enabled=False)],
     ["the override of 'end:0': bitwidth: 4 changes nothing: the quantizers that it matches are off"]),
    ([Override("*", enabled=True), Override("bias:0", enabled=False)], []),
    ([Override("weights:0", bitwidth=4), Override("w*", bitwidth=4)],
     ["the override of 'weights:0': bitwidth: 4 changes nothing: the quantizers that it matches have it without it"]),
    ([Override("end:0")], ["the override of 'end:0' changes nothing: it says nothing"]),
    ([Override("weights:0", 4, True), Override("bias:0", 16, None, True)], []),
])
def test_each_part_of_an_override_has_to_change_something(network: tf.GraphDef, overrides: List[Override],
                                                          said: List[str]) -> None:
    assert _said(network, overrides=tuple(overrides)) == said


def test_bits_that_no_quantizer_has_are_said_where_they_were_asked_for(network: tf.GraphDef) -> None:
    all_weights = (Override("weights:0", bitwidth=16),)

    assert _said(network, overrides=all_weights) == []
    for said in (_said(network, overrides=all_weights, param_bitwidth=4),
                 _said(network, [effects.PARAM_BITS], overrides=all_weights)):
        assert len(said) == 1
        assert "no weight is quantized, or overrides give all of them other bits" in said[0]
    assert _said(network, [effects.PARAM_BITS, effects.OUTPUT_BITS]) == []


def test_what_calibration_is_told_is_said_where_all_encodings_are_given(network: tf.GraphDef) -> None:
    given = Path("given.encodings")

    both = _said(network, [effects.CALIBRATION], encodings_file=given, scheme=TF_ENHANCED)
    assert [line.split(" changes nothing")[0] for line in both] == ["the scheme tf_enhanced",
                                                                    "the number of calibration images"]
    assert _said(network, encodings_file=given) == []
    assert _said(network, [effects.CALIBRATION], encodings_file=given, scheme=TF_ENHANCED, params_only=True) == []
