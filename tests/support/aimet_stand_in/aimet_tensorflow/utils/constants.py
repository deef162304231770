import enum


class QuantizeOpIndices(enum.IntEnum):
    tensor = 0
    op_mode = 1
    bit_width = 5
    use_symmetric_encoding = 6
