"""Why a gate is red: which quantizers, which classes, which images."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
