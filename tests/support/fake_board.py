"""A board: runs a TFLite model on a bundle's inputs, and leaves what snpe-net-run leaves. Knows nothing of the suite.

    python fake_board.py BUNDLE MODEL OUTPUT
"""

import pathlib
import re
import sys

import numpy as np
import tensorflow.compat.v1 as tf

# Of the converter's fake-quant ops the network knows nothing.
_SUFFIX = re.compile(r"(_quantized|_fq|:0)+$")


def main(bundle: pathlib.Path, model: pathlib.Path, output: pathlib.Path) -> None:
    settings = {} if tf.__version__.startswith("1.") else {
        "experimental_op_resolver_type": tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    interpreter = tf.lite.Interpreter(str(model), **settings)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    for number, line in enumerate((bundle / "input_list.txt").read_text().split()):
        pixels = np.fromfile(str(bundle / line), entry["dtype"]).reshape(entry["shape"])
        interpreter.set_tensor(entry["index"], pixels)
        interpreter.invoke()
        for details in interpreter.get_output_details():
            scale, zero = details["quantization"]
            steps = interpreter.get_tensor(details["index"]).astype(np.float32)
            values = (steps - np.float32(zero)) * np.float32(scale)
            path = output / f"Result_{number}" / (_SUFFIX.sub("", details["name"]) + ":0.raw")
            path.parent.mkdir(parents=True, exist_ok=True)
            values.tofile(str(path))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
