import enum


class QuantizeOpIndices(enum.IntEnum):
    tensor = 0
    op_mode = 1
    encoding_min = 3
    encoding_max = 4
    bit_width = 5
    use_symmetric_encoding = 6
