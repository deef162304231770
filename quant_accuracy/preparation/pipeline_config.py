"""The Object Detection API's `pipeline.config`, and the detector that it describes."""

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from object_detection.builders import model_builder
from object_detection.protos import pipeline_pb2

from quant_accuracy.errors import ConfigurationError


def load(path: Path) -> Any:
    """Read a `pipeline.config`, without its `graph_rewriter` block.

    The block asks for TensorFlow's own quantization-aware rewriting; the float network is what gets quantized here.

    Raises:
        ConfigurationError: The file is missing or is not a pipeline configuration.
    """
    config = pipeline_pb2.TrainEvalPipelineConfig()
    try:
        text_format.Merge(path.read_text(encoding="utf-8"), config)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; name the pipeline.config of the checkpoint") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not a pipeline configuration ({error}); "
                                 "name the pipeline.config of the checkpoint") from error
    if config.model.WhichOneof("model") is None:
        raise ConfigurationError(f"{path}: has no model block; name the pipeline.config of the checkpoint")
    config.ClearField("graph_rewriter")
    return config


def build_model(config: Any, is_training: bool) -> Any:
    """The detector of a pipeline configuration, as an `object_detection` model."""
    return model_builder.build(config.model, is_training=is_training)
