"""Passes over TensorFlow graphs: each takes a GraphDef and gives a new one."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
