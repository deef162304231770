"""The embedded default model: drawn images, a small trained detector, and everything to make them again."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
