"""Steps 1 to 5: what is made once of a checkpoint, and loaded by every process that evaluates."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
