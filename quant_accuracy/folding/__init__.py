"""Batch norms folded into convolutions and dense ops, and looked for where they are left."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
