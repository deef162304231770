"""Slim and the layers of `contrib`: those of TensorFlow 1.15, or for TensorFlow 2 those of the package tf_slim."""

import sys

__all__ = ["layers", "slim"]

try:
    from tensorflow.contrib import layers, slim
except ImportError:
    from tensorflow.python.framework import ops as _ops
    from tensorflow.python.framework import tensor as _tensor
    from tensorflow.python.ops import cond as _cond
    from tensorflow.python.ops import control_flow_ops as _control_flow_ops
    from tf_keras.src import legacy_tf_layers

    # Where TensorFlow 2 looks for what tf_keras has moved.
    sys.modules.setdefault("tf_keras.legacy_tf_layers", legacy_tf_layers)
    for _name in ("base", "convolutional", "core", "normalization", "pooling"):
        __import__(f"tf_keras.src.legacy_tf_layers.{_name}")
        sys.modules.setdefault(f"tf_keras.legacy_tf_layers.{_name}",
                               sys.modules[f"tf_keras.src.legacy_tf_layers.{_name}"])
    import tf_slim as slim
    from tf_slim import layers
    from tf_slim.layers import normalization as _normalization

    # Its last version asks for these where TensorFlow 2.0 had them.
    if not hasattr(_ops, "Tensor"):
        _ops.Tensor = _tensor.Tensor
    if not hasattr(_control_flow_ops, "cond"):
        _control_flow_ops.cond = _cond.cond
    layers.instance_norm = _normalization.instance_norm
