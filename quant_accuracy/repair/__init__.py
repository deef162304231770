"""What brings a red model back: each remedy is a pass on graph, settings or encodings, measured by those who call it.

    equalization/       ranges of neighbouring layers evened out, the float function kept
    bias_correction     biases that take back what quantized weights shift, measured or computed
    biases              layers and their biases in a graph: found, added, given other values
    layer_by_layer      a network run with each layer settled before the next one
    channel_sums        means of each channel at layers' outputs, over calibration images
    statistics          what batch norms tell of the mean of each channel
    corrections         numpy: means of clipped normal channels, and what is taken from a bias
    mixed_precision     the smallest set of quantizers with more bits that meets a goal
    cost                bits of weights and activations, and bit operations
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
