"""From a checkpoint to a frozen graph that is there for inference alone."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
