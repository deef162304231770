"""A door to `quant-accuracy create-coco-tfrecords`."""

import sys

from quant_accuracy.commands import console

if __name__ == "__main__":
    sys.exit(console.main(["create-coco-tfrecords", *sys.argv[1:]]))
