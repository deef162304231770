"""The inference graph of a pipeline configuration, as the installed Object Detection API builds it."""

from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.base.near import near
from quant_accuracy.preparation import api, pipeline_config

# What a detector has to give: where suppression begins, and what comes out of it.
OUTPUTS = ("concat", "concat_1", "detection_boxes", "detection_scores", "detection_classes", "num_detections")
# The coarsest level of a pyramid that is scaled up and added to the next: an image is 2^5 times as large.
_COARSEST_ADDED = 5


def build(config_file: Path, config: Any) -> None:
    """Build `image_tensor` to `detection_*` for a pipeline configuration in TensorFlow's default graph.

    Args:
        config_file: Where the configuration comes from, for messages.
        config: The configuration.

    Raises:
        ConfigurationError: The API cannot build the model, or the model has not the ops of an SSD.
    """
    exporter = api.exporter()
    try:
        model = pipeline_config.build_model(config, is_training=False)
        _count_anchors_in_the_graph(model)
        exporter.build_detection_graph("image_tensor", model, None, "inference_op", None)
    except Exception as error:  # the API's builders raise many kinds for what they cannot build
        raise ConfigurationError(f"{config_file}: the installed Object Detection API cannot build the model "
                                 f"({type(error).__name__}: {first_line(error)}); {_remedy(config)}") from error
    names = {operation.name for operation in tf.get_default_graph().get_operations()}
    if not names.issuperset(OUTPUTS):
        raise ConfigurationError(f"{config_file}: describes a {config.model.WhichOneof('model')}, whose graph has no "
                                 f"{next(name for name in OUTPUTS if name not in names)!r}; only SSDs are exported "
                                 "here: name the pipeline.config of one")


def _count_anchors_in_the_graph(model: Any) -> None:
    """Let an SSD count its anchors when it runs, where the image decides how many there are.

    The API asks for the number that is known beforehand. Where images keep their aspect ratio there is none, and it
    ends with "None values not supported".
    """
    postprocess = model.postprocess

    def counting(*arguments: Any, **named: Any) -> Any:
        anchors: Any = getattr(model, "_anchors", None)
        if hasattr(anchors, "num_boxes_static") and anchors.num_boxes_static() is None:
            anchors.num_boxes_static = anchors.num_boxes
        return postprocess(*arguments, **named)

    model.postprocess = counting


def _remedy(config: Any) -> str:
    ssd = config.model.ssd
    if config.model.WhichOneof("model") == "ssd":
        builder = api.model_builder()
        known = {*builder.SSD_FEATURE_EXTRACTOR_CLASS_MAP, *builder.SSD_KERAS_FEATURE_EXTRACTOR_CLASS_MAP}
        meant = near(ssd.feature_extractor.type, sorted(known))
        if ssd.feature_extractor.type not in known and meant:
            return f"feature_extractor.type is not one that it knows: did you mean {meant[0]!r}?"
        if _sides_do_not_double(ssd):
            return ("a level of its feature pyramid is not twice as large as the next one: set image_resizer to the "
                    "size that the checkpoint was trained at, whose sides are multiples of 32 in most cases")
    return "name the pipeline.config of an SSD that it knows"


def _sides_do_not_double(ssd: Any) -> bool:
    """Whether a feature pyramid (Lin et al. 2017) cannot add its levels: each halves its side, and rounds up."""
    extractor, resizer = ssd.feature_extractor, ssd.image_resizer.fixed_shape_resizer
    if "_fpn" not in extractor.type or not ssd.image_resizer.HasField("fixed_shape_resizer"):
        return False
    finest, coarsest = extractor.fpn.min_level, min(_COARSEST_ADDED, extractor.fpn.max_level)
    multiple = max(1, extractor.pad_to_multiple)
    padded = [-(-side // multiple) * multiple for side in (resizer.height, resizer.width)]
    return any(-(-side // 2 ** finest) % 2 ** (coarsest - finest) for side in padded if coarsest > finest)
