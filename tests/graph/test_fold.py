"""Folding batch norms on the demo and on small graphs."""

import json
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph import fold
from quant_accuracy.graph.network import Network
from tests.conftest import Run
from tests.support.networks import small_network
from tests.support.places import REFERENCE

_ORACLE = json.loads((REFERENCE / "aimet_placement.json").read_text())
_OUTPUTS = ["concat:0", "concat_1:0"]


def _read(path: Path) -> tf.GraphDef:
    return tf.GraphDef.FromString(path.read_bytes())


def test_folded_and_unfolded_network_agree(demo_artifacts: Artifacts, image: np.ndarray, run_graph: Run) -> None:
    feed = {"image_tensor:0": image}

    unfolded = run_graph(_read(demo_artifacts.float_folder / "float.pb"), _OUTPUTS, feed)
    folded = run_graph(demo_artifacts.graph(FLOAT), _OUTPUTS, feed)

    for a, b in zip(unfolded, folded):
        assert np.abs(a - b).max() <= 1e-4 * np.abs(a).max()


def test_every_batch_norm_of_the_demo_is_folded_as_aimet_folds(demo_artifacts: Artifacts) -> None:
    done = json.loads((demo_artifacts.float_folder / "fold.json").read_text())

    assert [[item["convolution"], item["batch_norm"]] for item in done["folded"]] == _ORACLE["folded"]
    assert not any(node.op.startswith("FusedBatchNorm") for node in demo_artifacts.graph(FLOAT).node)


def test_a_batch_norm_whose_convolution_is_read_elsewhere_is_left_with_the_reason() -> None:
    result = fold.fold_batch_norms(Network(small_network(tapped=True), "start", ["end"]))

    assert ["used elsewhere" in item.reason for item in result.not_folded] == [True]
    assert not result.folded


def test_a_kernel_that_another_convolution_reads_stays_as_it_is(run_graph: Run) -> None:
    graph = small_network(shared=True)
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}
    outputs = ["end:0", "net/other/Conv2D:0"]

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [item.convolution for item in result.folded] == ["net/Conv2D"]
    for folded, unfolded in zip(run_graph(result.graph, outputs, feed), run_graph(graph, outputs, feed)):
        np.testing.assert_allclose(folded, unfolded, rtol=1e-5, atol=1e-5)


def test_folding_a_small_network_keeps_its_output(run_graph: Run) -> None:
    graph = small_network()
    feed = {"images:0": np.random.RandomState(1).normal(size=(1, 8, 8, 3)).astype(np.float32)}

    result = fold.fold_batch_norms(Network(graph, "start", ["end"]))

    assert [item.output for item in result.folded] == ["bias_value_1"]
    np.testing.assert_allclose(run_graph(result.graph, ["end:0"], feed)[0], run_graph(graph, ["end:0"], feed)[0],
                               rtol=1e-5, atol=1e-5)
