import enum


class TensorQuantizerOpMode(enum.IntEnum):
    oneShotQuantizeDequantize = 1  # noqa: N815
    passThrough = 3  # noqa: N815
