"""Bias correction (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section
4.2).

    correct         the door: empirically, analytically, or both
    biases          layers and their biases in a graph: found, added, given other values
    layer_by_layer  a network run with each layer settled before the next one
    channel_sums    means of each channel at layers' outputs, over calibration images
    statistics      what batch norms tell of the mean of each channel
    corrections     numpy: means of clipped normal channels, and what is taken from a bias
"""
