"""Remedies for a network that quantization harms: each changes weights, biases or bits, and nothing else.

    equalization/       ranges of channels evened out across layers
    bias_correction     the mean error of a layer taken into its bias
    adaround/           weights rounded for the layer's output, not each to its nearest
    cost                what a choice of bits costs
    mixed_precision     the smallest set of quantizers with more bits
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
