"""A door to `quant-accuracy create-coco-tfrecords`."""

import sys

from quant_accuracy.commands import create_coco_tfrecords

if __name__ == "__main__":
    sys.exit(create_coco_tfrecords.main())
