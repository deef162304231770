"""The Object Detection API's modules, imported when they are needed: it knows TensorFlow 1.15 alone.

What lies beside it in this room (making TFRecords) works with any TensorFlow.
"""

from typing import Any

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError


def require() -> None:
    """Refuse a TensorFlow that the API does not run under.

    Raises:
        ConfigurationError: It is not TensorFlow 1.
    """
    if not tf.__version__.startswith("1."):
        raise ConfigurationError(f"the Object Detection API, which builds detectors from a pipeline.config, needs "
                                 f"TensorFlow 1.15, and this is TensorFlow {tf.__version__}: export the checkpoint "
                                 "with a Python 3.7 (name it in QUANT_ACCURACY_PYTHON for ./run), and evaluate it with "
                                 "either")


def exporter() -> Any:
    """`object_detection.exporter`."""
    require()
    from object_detection import exporter as module

    return module


def model_builder() -> Any:
    """`object_detection.builders.model_builder`."""
    require()
    from object_detection.builders import model_builder as module

    return module


def pipeline_pb2() -> Any:
    """`object_detection.protos.pipeline_pb2`."""
    require()
    from object_detection.protos import pipeline_pb2 as module

    return module
