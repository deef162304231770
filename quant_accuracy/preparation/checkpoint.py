"""From a training checkpoint of the Object Detection API to the evaluation checkpoint that gets quantized."""

from pathlib import Path
from typing import Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.errors import CheckpointError, first_line
from quant_accuracy.freezing import load
from quant_accuracy.preparation import inference_graph, pipeline_config

_AVERAGE = "/ExponentialMovingAverage"


class Exported(NamedTuple):
    """What an export wrote.

    Attributes:
        prefix: `<out>/model.ckpt`; `.meta`, `.index` and `.data-*` carry on from it.
        frozen: The frozen graph.
        variables: How many variables were restored.
        averaged: How many of them from their moving averages.
        passed_over: How many variables have moving averages that were not taken.
    """

    prefix: Path
    frozen: Path
    variables: int
    averaged: int
    passed_over: int


def export(config_file: Path, checkpoint: Path, output: Path) -> Exported:
    """Build the inference graph, restore the trained weights, and save a checkpoint with its graph.

    A `graph_rewriter` block in the configuration is dropped. As the Object Detection API's exporter does, moving
    averages are taken where `eval_config.use_moving_averages` is true, and the variables themselves where it is false,
    which is its default; where it does not say and the checkpoint holds nothing but averages, those.

    Args:
        config_file: The `pipeline.config`.
        checkpoint: Prefix of the training checkpoint, or as `checkpoint_parts.prefix` takes it.
        output: Folder for `model.ckpt.*` and `frozen_inference_graph.pb`.

    Raises:
        ConfigurationError: The configuration cannot be used, or the API cannot build its model.
        CheckpointError: The checkpoint cannot be read or belongs to another model, or does not hold what the
            configuration asks for.
    """
    pipeline = pipeline_config.read(config_file)
    checkpoint = checkpoint_parts.training_prefix(checkpoint)
    with tf.Graph().as_default():
        inference_graph.build(config_file, pipeline.config)
        variables = tf.global_variables()
        shapes = _shapes(checkpoint)
        sources = _sources(checkpoint, variables, shapes, pipeline.averages)
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
    passed_over = sum(name + _AVERAGE in shapes for name in sources)
    return Exported(prefix, frozen, len(sources), averaged, passed_over)


def _shapes(checkpoint: Path) -> Mapping[str, Sequence[int]]:
    """What the checkpoint holds: shapes by name."""
    try:
        found: Mapping[str, Sequence[int]] = tf.train.NewCheckpointReader(str(checkpoint)).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(f"{checkpoint}: not a readable checkpoint ({first_line(error)}); "
                              "copy it again, with all its .data-* files") from error
    return found


def _sources(checkpoint: Path, variables: Sequence[tf.Variable], shapes: Mapping[str, Sequence[int]],
             averages: Optional[bool]) -> Dict[str, tf.Variable]:
    """Which name of the checkpoint each variable is restored from.

    Args:
        checkpoint: Prefix of the checkpoint's files, for messages.
        variables: Those of the network.
        shapes: What the checkpoint holds.
        averages: Whether moving averages are taken; None takes them only of variables of which nothing else is there.
    """
    # What is not trained, such as the moments of a batch norm, has no moving average of its own.
    trained = {variable.op.name for variable in tf.trainable_variables()}
    if averages and not any(name + _AVERAGE in shapes for name in trained):
        raise CheckpointError(f"{checkpoint}: holds no moving averages, which eval_config of pipeline.config asks for; "
                              "set use_moving_averages to false, or name the training checkpoint")
    sources: Dict[str, tf.Variable] = {}
    for variable in variables:
        name = variable.op.name
        only_average = averages is None and name not in shapes and name + _AVERAGE in shapes
        source = name + _AVERAGE if only_average or (averages and name in trained) else name
        if source not in shapes:
            if name == "global_step":
                continue
            raise _missing(checkpoint, source, name, shapes)
        if shapes[source] != variable.shape.as_list():
            raise CheckpointError(f"{checkpoint}: {source!r} has the shape {shapes[source]}, pipeline.config asks for "
                                  f"{variable.shape.as_list()}; use the configuration of this checkpoint")
        sources[source] = variable
    return sources


def _missing(checkpoint: Path, source: str, name: str, shapes: Mapping[str, Sequence[int]]) -> CheckpointError:
    """An error about a variable that the checkpoint does not hold in the form that is asked for."""
    other = name if source != name else name + _AVERAGE
    if other in shapes:
        value, what = ("false", "not its moving average") if source != name else ("true", "only its moving average")
        return CheckpointError(f"{checkpoint}: of the variable {name!r} it holds {what}; set use_moving_averages in "
                               f"eval_config of pipeline.config to {value}")
    return CheckpointError(f"{checkpoint}: has no variable {name!r}; use the pipeline.config that belongs to this "
                           "checkpoint")


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
        graph = load.load_frozen(prefix, inference_graph.OUTPUTS)
        (scratch / "frozen_inference_graph.pb").write_bytes(graph.SerializeToString(deterministic=True))
    return output / "model.ckpt", output / "frozen_inference_graph.pb"
