"""What brings a red model back: each remedy is a pass on graph, settings or encodings, measured by those who call it.

    equalization/       ranges of neighbouring layers evened out, the float function kept
    bias_correction/    biases that take back what quantized weights shift, measured or computed
    adaround/           weights rounded for the output of their layer, not each to its nearest
    mixed_precision     the smallest set of quantizers with more bits that meets a goal
    cost                bits of weights and activations, and bit operations
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
