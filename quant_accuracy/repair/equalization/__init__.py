"""Cross-layer equalization and high-bias absorption (Nagel et al. 2019, "Data-Free Quantization Through Weight
Equalization and Bias Correction", sections 4.1 and 4.2).

    equalize    the door: exactly, iterated, every chain; or as AIMET does it
    exact       scales of all spaces together, to convergence
    aimet       AIMET 1.19.1: pairs and triples, each scaled once, then absorption
    spaces      channels that layers share: who writes them, who reads them, what clips them
    absorption  biases that move on where that is exact
    rescaling   a graph whose spaces are scaled, its clips with them
    activations largest values of each channel on calibration images
    scales      numpy: factors of pairs and triples, absorption
    kernels     numpy: ranges and scaling of kernels by channel
"""
