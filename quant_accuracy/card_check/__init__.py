"""What can be known of a model card without running its model."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
