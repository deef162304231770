"""What brings a red model back: each remedy is a pass on graph, settings or encodings, measured by those who call it.

    equalization/       ranges of neighbouring layers evened out, the float function kept
"""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
