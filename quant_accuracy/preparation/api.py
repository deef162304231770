"""The Object Detection API's modules, imported when they are needed: it knows TensorFlow 1.15 alone.

What lies beside it in this room (making TFRecords) works with any TensorFlow.

Raises, each of them:
    ConfigurationError: This Python is too new for it.
"""

from typing import Any

from quant_accuracy.preparation import needs


def exporter() -> Any:
    """`object_detection.exporter`."""
    needs.check("building a detector from a pipeline.config")
    from object_detection import exporter as module

    return module


def model_builder() -> Any:
    """`object_detection.builders.model_builder`."""
    needs.check("building a detector from a pipeline.config")
    from object_detection.builders import model_builder as module

    return module


def pipeline_pb2() -> Any:
    """`object_detection.protos.pipeline_pb2`."""
    needs.check("building a detector from a pipeline.config")
    from object_detection.protos import pipeline_pb2 as module

    return module
