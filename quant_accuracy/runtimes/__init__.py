"""Who computes a network: TensorFlow, or a faster runtime for what lies between starting and output ops."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
