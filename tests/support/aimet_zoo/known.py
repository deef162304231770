"""Where our answer differs from AIMET's on purpose, and what becomes of networks at which AIMET stops.

All of it must come out exactly so: where more differs, and where less does, `tests/against_aimet/test_zoo.py`
fails.
"""

from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from tests.support.aimet_zoo.differences import Delta

_INEXACT = "AIMET folds inexactly: the convolution behind the batch norm pads with zeros. Here it stays"
_ONE_CHANNEL = "AIMET folds wrongly: statistics of one channel for all of a depthwise convolution. Here it stays"
_POSITIONS = "AIMET folds wrongly: statistics that are not there, for a dense layer of several positions. Here it stays"
_OUTPUT = "AIMET folds into a convolution that is an output, and so changes that output. Here the batch norm stays"
_NO_INPUT = "AIMET folds a batch norm that is an output, and then nothing feeds that output. Here it stays"
_RECURRENT = "AIMET takes the layer for one op and quantizes inside its loop. Here a loop is left as it is"
_DROPOUT = "AIMET leaves the dropout in training. Here it is brought to inference"
_ONE_KERNEL = "AIMET folds both batch norms into the one kernel. Here each convolution gets its own"
_FUSED = "batch_normalization/FusedBatchNormV3"


class Difference(NamedTuple):
    """A network of which our answer differs.

    Attributes:
        why: The reason, for the page.
        delta: What differs.
    """

    why: str
    delta: Delta


class Refusal(NamedTuple):
    """A network that AIMET takes and that is refused here.

    Attributes:
        why: The reason, for the page.
        words: What the message says.
    """

    why: str
    words: str


def _stays(why: str, op: str, placed: Optional[Mapping[str, str]] = None,
           not_placed: Optional[Mapping[str, str]] = None) -> Difference:
    """The one batch norm stays, and so has a quantizer."""
    return Difference(why, Delta(not_folded=((op, _FUSED),), not_placed=dict(not_placed or {}),
                                 placed={f"{_FUSED}:0": "activation on", **(placed or {})}))


DIFFERENCES: Mapping[str, Difference] = {
    "bn_is_output": _stays(_NO_INPUT, "conv2d/Conv2D", placed={"conv2d/BiasAdd:0": "activation on"},
                           not_placed={"conv2d/BiasAdd:0": "activation off"}),
    "conv_is_output_before_bn": _stays(_OUTPUT, "conv2d/Conv2D", placed={"conv2d/BiasAdd:0": "activation on"},
                                       not_placed={"conv2d/BiasAdd:0": "activation off"}),
    "bn_before_conv_same": _stays(_INEXACT, "after/Conv2D"),
    "bn_before_conv_nobias_same": _stays(
        _INEXACT, "after/Conv2D", placed={"after/Conv2D:0": "activation on"},
        not_placed={"bias_value/read:0": "param off", "bias_value_1:0": "activation on"}),
    "bn_before_depthwise_same": _stays(_ONE_CHANNEL, "after/depthwise"),
    "bn_before_depthwise_valid": _stays(_ONE_CHANNEL, "after/depthwise"),
    "bn_flatten_dense": _stays(_POSITIONS, "head/MatMul"),
    "lstm": Difference(_RECURRENT, Delta(
        not_placed={"lstm/while/split/ReadVariableOp:0": "param on", "lstm/while/split_1/ReadVariableOp:0": "param off",
                    "lstm/while/ReadVariableOp:0": "param on", "lstm/while/ReadVariableOp_1:0": "param on",
                    "lstm/while/ReadVariableOp_2:0": "param on", "lstm/while/ReadVariableOp_3:0": "param on",
                    "lstm/while/TensorArrayReadV3:0": "activation on", "lstm/while/Identity_2:0": "activation on"},
        placed={"lstm/transpose:0": "activation on", "lstm/zeros:0": "activation on", "lstm/zeros_1:0": "activation on",
                "lstm/TensorArrayUnstack/TensorArrayScatter/TensorArrayScatterV3:0": "activation on",
                "lstm/TensorArrayStack/TensorArrayGatherV3:0": "activation on"})),
}

REFUSED: Mapping[str, Refusal] = {
    "fake_quant_left_in": Refusal("Refused here: TensorFlow quantizes it already", "fake quantization"),
}

# The same folds and quantizers, other values: AIMET changes what the network computes.
VALUES: Mapping[str, str] = {
    "dropout_keras_training_true": _DROPOUT,
    "slim_bn_is_training_true": _DROPOUT,
    "shared_kernel_own_bns": _ONE_KERNEL,
    "siamese": _ONE_KERNEL,
}

# Networks that stop AIMET: batch norms that are folded here, quantizers that are on, and all quantizers.
INSTEAD: Dict[str, Tuple[int, int, int]] = {
    "bn_no_center": (1, 6, 9),
    "bn_at_the_end": (1, 6, 9),
    "bn_behind_depthwise_multiplier2": (1, 8, 12),
    "bn_before_depthwise_multiplier2": (0, 9, 13),
    "tf_layers_bn_unfused": (0, 12, 14),
    "slim_bn_unfused": (0, 17, 18),
    "slim_bn_no_scale_no_center": (2, 8, 13),
    "bn_spelled_out_slim_conv": (0, 8, 10),
    "optimizer_left_in": (1, 6, 9),
    "matmul_of_activations": (0, 6, 8),
    "raw_ops_plain_names_bias": (0, 3, 5),
    "shared_kernel_slim_reuse": (2, 9, 17),
    "shared_kernel_slim_reuse_bias": (0, 8, 13),
}
