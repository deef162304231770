"""Turn COCO's own layout into sharded TFRecords.

    quant-accuracy create-coco-tfrecords --image-dir val2017 \\
        --annotations-file annotations/instances_val2017.json --output-prefix data/val.record --num-shards 10

makes data/val.record-00000-of-00010 and its siblings.
"""

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from quant_accuracy.base import command_line, progress
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.data import annotations


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy create-coco-tfrecords", description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-dir", type=Path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument("--annotations-file", type=Path, required=True, metavar="FILE", help="COCO's instances_*.json")
    parser.add_argument("--output-prefix", type=Path, required=True, metavar="PREFIX",
                        help="path and beginning of the name of the shards")
    parser.add_argument("--num-shards", type=int, default=10, metavar="N", help="number of shards (default 10)")
    values = parser.parse_args(arguments)
    return command_line.exit_status(lambda: _create(values))


def _create(values: argparse.Namespace) -> int:
    annotations.require(values.annotations_file)
    if not values.image_dir.is_dir():
        raise ConfigurationError(f"{values.image_dir}: no such folder; name that of the images with --image-dir")
    progress.log(f"converting the images of {values.annotations_file}")
    # TensorFlow takes seconds to import: not before the options are known to be right.
    from quant_accuracy.preparation import coco_tfrecords

    converted = coco_tfrecords.convert(values.image_dir, values.annotations_file, values.output_prefix,
                                       values.num_shards)
    for line in converted.dropped:
        print(f"box left out: {line}", file=sys.stderr)
    for line in converted.turned:
        print(f"check the annotations of {line}", file=sys.stderr)
    print(f"{converted.images} images and {converted.boxes} boxes in {len(converted.shards)} shards: "
          f"{values.output_prefix}-*-of-{len(converted.shards):05d}")
    return command_line.MEASURED
