from typing import Tuple


def gate_min_max(min_val: float, max_val: float) -> Tuple[float, float]:
    return min(min_val, 0.0), max(max_val, 0.0)


def calculate_delta_offset(min_val: float, max_val: float, bitwidth: int) -> Tuple[float, float]:
    delta = (max_val - min_val) / (2 ** bitwidth - 1)
    return delta, round(min_val / delta)
