"""From a training checkpoint of the Object Detection API to the evaluation checkpoint that gets quantized."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf
from object_detection import exporter

from quant_accuracy import files
from quant_accuracy.errors import CheckpointError, first_line
from quant_accuracy.graph import load
from quant_accuracy.preparation import pipeline_config

_AVERAGE = "/ExponentialMovingAverage"
_OUTPUTS = ("concat", "concat_1", "detection_boxes", "detection_scores", "detection_classes", "num_detections")


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        prefix: `<out>/model.ckpt`; `.meta`, `.index` and `.data-*` carry on from it.
        frozen: The frozen graph.
        variables: How many variables were restored.
        averaged: How many of them from their moving averages.
    """

    prefix: Path
    frozen: Path
    variables: int
    averaged: int


def export(config_file: Path, checkpoint: Path, output: Path) -> Exported:
    """Build the inference graph, restore the trained weights, and save a checkpoint with its graph.

    A `graph_rewriter` block in the configuration is dropped; moving averages are taken where the checkpoint has them.

    Args:
        config_file: The `pipeline.config`.
        checkpoint: Prefix of the training checkpoint.
        output: Folder for `model.ckpt.*` and `frozen_inference_graph.pb`.

    Raises:
        ConfigurationError: The configuration cannot be used.
        CheckpointError: The checkpoint cannot be read or belongs to another model.
    """
    config = pipeline_config.load(config_file)
    with tf.Graph().as_default():
        build_inference_graph(config)
        variables = tf.global_variables()
        sources = _sources(checkpoint, variables)
        with tf.Session() as session:
            try:
                reader = tf.train.NewCheckpointReader(str(checkpoint))
                # Not by a Saver: its ops would stay in the graph, under the names of the training checkpoint.
                values = {variable.initializer.inputs[1]: reader.get_tensor(source)
                          for source, variable in sources.items()}
                session.run(tf.global_variables_initializer(), values)
            except (tf.errors.OpError, ValueError) as error:
                raise CheckpointError(f"{checkpoint}: cannot be restored ({first_line(error)}); "
                                      "copy the checkpoint again") from error
            prefix, frozen = _save(session, output)
    averaged = sum(name.endswith(_AVERAGE) for name in sources)
    return Exported(prefix, frozen, len(sources), averaged)


def build_inference_graph(config: Any) -> None:
    """Build `image_tensor` to `detection_*` for a pipeline configuration in TensorFlow's default graph."""
    model = pipeline_config.build_model(config, is_training=False)
    exporter.build_detection_graph("image_tensor", model, None, "inference_op", None)


def _sources(checkpoint: Path, variables: List[tf.Variable]) -> Dict[str, tf.Variable]:
    """Which name of the checkpoint each variable is restored from."""
    try:
        shapes = tf.train.NewCheckpointReader(str(checkpoint)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(f"{checkpoint}: not a readable checkpoint ({first_line(error)}); "
                              "name the prefix that its .index and .data-* files share") from error
    sources: Dict[str, tf.Variable] = {}
    for variable in variables:
        name = variable.op.name
        source = name + _AVERAGE if name + _AVERAGE in shapes else name
        if source not in shapes:
            if name == "global_step":
                continue
            raise CheckpointError(f"{checkpoint}: has no variable {name!r}; "
                                  "use the pipeline.config that belongs to this checkpoint")
        if shapes[source] != variable.shape.as_list():
            raise CheckpointError(f"{checkpoint}: {source!r} has the shape {shapes[source]}, pipeline.config asks for "
                                  f"{variable.shape.as_list()}; use the configuration of this checkpoint")
        sources[source] = variable
    return sources


def _save(session: tf.Session, output: Path) -> Tuple[Path, Path]:
    # The index comes last: without it there is no checkpoint.
    with files.scratch_for(output, last=".index") as scratch:
        prefix = scratch / "model.ckpt"
        saver = tf.train.Saver(save_relative_paths=True)
        saver.save(session, str(prefix), write_meta_graph=False)
        # Contexts serve gradients only, and list their tensors in another order in every process.
        contexts = (tf.GraphKeys.WHILE_CONTEXT, tf.GraphKeys.COND_CONTEXT)
        meta = saver.export_meta_graph(collection_list=[key for key in session.graph.get_all_collection_keys()
                                                        if key not in contexts])
        prefix.with_name(prefix.name + ".meta").write_bytes(meta.SerializeToString(deterministic=True))
        graph = load.load_frozen(prefix, _OUTPUTS)
        (scratch / "frozen_inference_graph.pb").write_bytes(graph.SerializeToString(deterministic=True))
    return output / "model.ckpt", output / "frozen_inference_graph.pb"
