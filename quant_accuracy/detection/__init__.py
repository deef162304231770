"""From images to detections: run a graph, suppress overlaps, keep one file per shard, merge."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
