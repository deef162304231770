import enum


class TensorQuantizerOpMode(enum.IntEnum):
    updateStats = 0  # noqa: N815
    oneShotQuantizeDequantize = 1  # noqa: N815
    quantizeDequantize = 2  # noqa: N815
    passThrough = 3  # noqa: N815
