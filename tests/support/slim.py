"""Slim and the layers of `contrib`: those of TensorFlow 1.15, or for TensorFlow 2 those of the package tf_slim."""

import sys

try:
    from tensorflow.contrib import layers as layers
    from tensorflow.contrib import slim as slim
except ImportError:
    from tf_keras.src import legacy_tf_layers

    # Where TensorFlow 2 looks for what tf_keras has moved.
    sys.modules.setdefault("tf_keras.legacy_tf_layers", legacy_tf_layers)
    for _name in ("base", "convolutional", "core", "normalization", "pooling"):
        __import__(f"tf_keras.src.legacy_tf_layers.{_name}")
        sys.modules.setdefault(f"tf_keras.legacy_tf_layers.{_name}",
                               sys.modules[f"tf_keras.src.legacy_tf_layers.{_name}"])
    from tf_slim import layers as layers
    from tf_slim.layers import normalization as _normalization

    layers.instance_norm = _normalization.instance_norm
