"""The way from a request to verdicts, for both variants."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
