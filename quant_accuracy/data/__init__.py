"""Annotations, TFRecord shards, and the stream of decoded images."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
