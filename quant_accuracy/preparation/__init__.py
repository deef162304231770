"""Making the suite's inputs: TFRecords from COCO's layout, an evaluation checkpoint from a training checkpoint."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
