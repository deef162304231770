"""Where shards run: this process, several processes, or a Ray cluster; all of them give the same detections."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
