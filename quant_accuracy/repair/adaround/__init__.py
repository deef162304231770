"""AdaRound (Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization"), layer by layer.

    rounding      the formulas: soft and hard rounding, the regularizer, its schedule
    optimizing    Adam on the rounding of one layer
    descent       each weight to its best place on the grid, in turn
    layers        the layers of a graph whose weights can be rounded so, and why others cannot
    observing     what such a layer takes and should give, on calibration images
    pieces        what became of a layer, kept so that a second call goes on
    network       all layers of a network, each behind those that are done
"""
