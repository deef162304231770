"""The Object Detection API's `pipeline.config`, and the detector that it describes.

Configurations outlive the version of the API that they were written for. What the installed one does not know is passed
over, with a note, where it cannot change the exported network; elsewhere it is an error.
"""

import difflib
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple

from google.protobuf import text_format

from quant_accuracy.base import progress
from quant_accuracy.base.documents import read_text
from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.base.near import near
from quant_accuracy.preparation import api, text_fields
from quant_accuracy.preparation.text_fields import Field

_NAME_IT = "name the pipeline.config of the checkpoint"
_AVERAGES = "use_moving_averages"
_EVALUATION = "eval_config"
# Sections that say how a model is trained and evaluated there, not what it is.
_BESIDE_THE_MODEL = ("train_config", "train_input_reader", "eval_input_reader", "graph_rewriter", _EVALUATION)
# Messages below `model` that serve the loss, and fields beside others that do not: by the name of the message's type.
_LOSS_TYPES = ("Loss", "LocalizationLoss", "ClassificationLoss", "HardExampleMiner", "RandomExampleSampler", "Matcher",
               "ArgMaxMatcher", "BipartiteMatcher", "RegionSimilarityCalculator", "Regularizer", "L1Regularizer",
               "L2Regularizer", "Initializer", "TruncatedNormalInitializer", "RandomNormalInitializer",
               "VarianceScalingInitializer")
_LOSS_FIELDS = {
    "Ssd": ("weight_regression_loss_by_score", "use_expected_classification_loss_under_sampling",
            "min_num_negative_samples", "desired_negative_sampling_ratio", "expected_loss_weights",
            "equalization_loss_config", "freeze_batchnorm", "inplace_batchnorm_update", "negative_class_weight",
            "normalize_loss_by_num_matches", "normalize_loc_loss_by_codesize"),
    "SsdFeatureExtractor": ("batch_norm_trainable",),
    "FasterRcnnFeatureExtractor": ("batch_norm_trainable",),
}
# What the parser says of text that is well formed, and that this version takes for wrong.
_OF_VERSIONS = ("has no field named", "has no value named", "Couldn't parse", "does not have extensions")


class Pipeline(NamedTuple):
    """A pipeline configuration.

    Attributes:
        config: The message, without its `graph_rewriter` block.
        averages: Whether `eval_config` asks for moving averages; None where it does not say.
    """

    config: Any
    averages: Optional[bool]


def load(path: Path) -> Any:
    """As `read`, the message alone."""
    return read(path).config


def read(path: Path) -> Pipeline:
    """Read a `pipeline.config`, without its `graph_rewriter` block.

    The block asks for TensorFlow's own quantization-aware rewriting; the float network is what gets quantized here.

    Raises:
        ConfigurationError: The file is missing, is not a pipeline configuration, or says something of the network that
            the installed API does not know.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; {_NAME_IT}") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: not a pipeline configuration ({first_line(error)}); {_NAME_IT}") from error
    config, notes = _parsed(path, text)
    for note in notes:
        progress.say(f"note: {path}: {note}")
    if config.model.WhichOneof("model") is None:
        raise ConfigurationError(f"{path}: has no model block; {_NAME_IT}")
    config.ClearField("graph_rewriter")
    asked = config.eval_config.use_moving_averages if config.eval_config.HasField(_AVERAGES) else None
    return Pipeline(config, asked)


def build_model(config: Any, is_training: bool) -> Any:
    """The detector of a pipeline configuration, as an `object_detection` model."""
    return api.model_builder().build(config.model, is_training=is_training)


def _parsed(path: Path, text: str) -> Tuple[Any, List[str]]:
    """The message, and a note for each field that was left out."""
    notes: List[str] = []
    while True:
        config = api.pipeline_pb2().TrainEvalPipelineConfig()
        try:
            text_format.Merge(text, config)
            return config, notes
        except text_format.ParseError as error:
            line = error.GetLine() or 1
            field = text_fields.at(text, line, error.GetColumn() or 1)
            if field is None or not _can_be_left_out(field, str(error)):
                raise _not_read(path, line, field, str(error)) from error
            notes.append(f"line {line}: {'.'.join(field.path)} is left out: the installed Object Detection API does "
                         "not know it, and it does not change the network")
            text = text_fields.without(text, field)


def _can_be_left_out(field: Field, said: str) -> bool:
    if not any(words in said for words in _OF_VERSIONS):
        return False
    if field.path[0] == _EVALUATION:
        # Nearly what is obeyed is an error, not something to be passed over.
        return not any(difflib.get_close_matches(name, [_AVERAGES], cutoff=0.8) for name in field.path[1:])
    if field.path[0] in _BESIDE_THE_MODEL:
        return len(field.path) > 1
    types = [_type_name(field.path[:depth]) for depth in range(1, len(field.path))]
    return any(kind in _LOSS_TYPES for kind in types) or (
        "has no field named" in said and field.path[-1] in _LOSS_FIELDS.get(types[-1] if types else "", ()))


def _not_read(path: Path, line: int, field: Optional[Field], said: str) -> ConfigurationError:
    if field is None or not any(words in said for words in _OF_VERSIONS):
        return ConfigurationError(f"{path}: not a pipeline configuration (line {line}: {_reason(said)}); repair the "
                                  f"line, or {_NAME_IT}")
    name, kind = field.path[-1], _type_name(field.path[:-1])
    if "has no field named" not in said:
        return ConfigurationError(f"{path}: line {line}: {'.'.join(field.path)} has a value that the installed Object "
                                  f"Detection API does not know ({_reason(said)}); correct it")
    meant = near(name, [known.name for known in _descriptor(field.path[:-1]).fields])
    hint = f"did you mean {meant[0]!r}? Else delete the line" if meant else "delete the line"
    wrong_file = f", and {_NAME_IT} if this is another file" if len(field.path) == 1 else ""
    return ConfigurationError(f"{path}: line {line}: the installed Object Detection API does not know the field "
                              f"{name!r} of {kind}, which may change the network; {hint} if the checkpoint was trained "
                              f"without it{wrong_file}")


def _reason(said: str) -> str:
    """What the parser says, without the place and the line that it quotes."""
    reason = said.split(" : ", 1)[-1]
    return reason.rsplit("': ", 1)[-1].strip()[:200]


def _type_name(path: Tuple[str, ...]) -> str:
    """The type of the message at a path of field names; empty where the API does not know the path."""
    found = _descriptor(path)
    return "" if found is None else str(found.name)


def _descriptor(path: Tuple[str, ...]) -> Any:
    found = api.pipeline_pb2().TrainEvalPipelineConfig.DESCRIPTOR
    for name in path:
        known = None if found is None else found.fields_by_name.get(name)
        found = None if known is None else known.message_type
    return found
