"""What AIMET is given: the part of a checkpoint that it needs, and what its simulation is fed."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.quantization.aimet import simulation
from tests.support import training

_NAMES = GraphNames("images", ("images",), ("end",), ("", "", "", ""))


def test_a_phase_that_waits_for_a_value_is_inference_and_what_has_a_default_or_is_no_phase_is_left() -> None:
    with tf.Graph().as_default() as graph, tf.Session() as session:
        images = tf.placeholder(tf.float32, [None, 2], name="images")
        phase = tf.placeholder(tf.bool, [], name="is_training")
        tf.placeholder(tf.bool, [None, 2], name="mask")
        default = tf.placeholder_with_default(True, [], name="keras_learning_phase")
        end = tf.cond(tf.logical_and(phase, default), lambda: images + 1, lambda: images * 2)
        batch = np.ones([1, 2], np.float32)

        found = simulation.feeds(graph, _NAMES, batch)

        assert sorted(found) == ["images:0", "is_training:0"]
        assert session.run(end, found).tolist() == [[2.0, 2.0]]


def test_values_for_several_inputs_go_to_each_of_them() -> None:
    with tf.Graph().as_default() as graph:
        phase = tf.placeholder(tf.bool, [], name="is_training")
        tf.placeholder(tf.float32, [None], name="other")

    found = simulation.feeds(graph, _NAMES, {"other": np.ones([1]), "is_training": np.bool_(True)})

    assert sorted(found) == ["is_training:0", "other:0"]
    assert bool(found[phase.name])


@pytest.mark.parametrize("name", ["keras", "tf.layers", "slim"])
def test_what_updates_moving_averages_stays_for_aimet_finds_them_by_it(tmp_path: Path, name: str) -> None:
    prefix = training.for_training(tmp_path, name).prefix

    with simulation.restored(prefix.with_name(f"{prefix.name}.meta"), prefix, _NAMES) as session:
        ops = session.graph.get_operations()

    norms = [op for op in ops if op.type.startswith("FusedBatchNorm")]
    variables = {op.inputs[0].op.name.rpartition("/")[2] for op in ops if op.type.startswith("AssignSub")}
    assert norms
    assert variables == {"moving_mean", "moving_variance"}
