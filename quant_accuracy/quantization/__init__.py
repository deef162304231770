"""What gets quantized, over which range, and the graph that simulates it."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
