"""Small networks of every kind, folded and with quantizers as the real AIMET 1.19.1 has them.

`docs/networks.md` lists them; `tests/support/aimet_zoo/` builds them.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from tests.conftest import Run
from tests.support import lanes
from tests.support.aimet_zoo import answers, page
from tests.support.aimet_zoo.answers import Stopped
from tests.support.aimet_zoo.differences import Delta, between
from tests.support.aimet_zoo.known import DIFFERENCES, INSTEAD, REFUSED, VALUES
from tests.support.aimet_zoo.zoo import NETWORKS, write_checkpoint
from tests.support.places import ROOT

_AIMET = answers.aimets()
_ANSWERED = [name for name, answer in _AIMET.items() if not isinstance(answer, Stopped) and name not in REFUSED]
# The layers of TensorFlow 2 write other ops: a dilated convolution is one op and not three, a dropout selects and does
# not multiply, a swish has a gradient of its own, a one-dimensional convolution and a dense layer of several positions
# have other names, an LSTM another loop, and slim has no group norm. AIMET was given what TensorFlow 1 writes.
_WRITTEN_OTHERWISE = () if lanes.TENSORFLOW_1 else (
    "dilated_keras", "dilated_keras_same", "dilated_slim_bn", "dropout_keras_training_true",
    "dropout_tf_keep_prob_placeholder", "slim_bn_is_training_true", "act_swish_tf", "conv1d", "dense_on_4d", "lstm",
    "group_norm")
_STOPPED = [name for name, answer in _AIMET.items() if isinstance(answer, Stopped)]


@pytest.mark.parametrize("name", _ANSWERED)
def test_folds_biases_and_quantizers_are_those_of_aimet(name: str, tmp_path: Path) -> None:
    if name in _WRITTEN_OTHERWISE:
        pytest.skip("the layers of this TensorFlow write another network than the one that AIMET was given")
    aimet = _AIMET[name]
    checkpoint = write_checkpoint(NETWORKS[name], tmp_path)
    assert (checkpoint.starts, checkpoint.outputs) == (aimet.starts, aimet.outputs)

    ours = answers.ours(checkpoint)

    expected = DIFFERENCES[name].delta if name in DIFFERENCES else Delta()
    assert between(aimet, ours) == expected
    left = [pair for pair in aimet.folded if pair not in expected.not_folded]
    assert [pair for pair in ours.folded if pair not in expected.folded] == left


@pytest.mark.parametrize("name", _STOPPED)
def test_networks_that_stop_aimet_give_a_result_here(name: str, tmp_path: Path) -> None:
    ours = answers.ours(write_checkpoint(NETWORKS[name], tmp_path))

    assert (len(ours.folded), ours.on, len(ours.quantizers)) == INSTEAD[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name: str, tmp_path: Path) -> None:
    with pytest.raises(QuantAccuracyError, match=REFUSED[name].words):
        answers.ours(write_checkpoint(NETWORKS[name], tmp_path))


@pytest.mark.parametrize("name", VALUES)
def test_folding_keeps_the_values_that_aimet_changes(name: str, tmp_path: Path, run_graph: Run) -> None:
    checkpoint = write_checkpoint(NETWORKS[name], tmp_path)
    frozen = load.load_frozen(checkpoint.prefix, checkpoint.outputs)
    folded = fold.fold_batch_norms(Network(frozen, checkpoint.starts, checkpoint.outputs))
    feed = {f"{start}:0": _images(frozen, start) for start in checkpoint.starts}
    fetches = [f"{output}:0" for output in checkpoint.outputs]

    before, after = run_graph(frozen, fetches, feed), run_graph(folded.graph, fetches, feed)

    for a, b in zip(before, after):
        np.testing.assert_allclose(a, b, atol=1e-5)


def _images(graph: tf.GraphDef, start: str) -> np.ndarray:
    (shape,) = [node.attr["shape"].shape.dim for node in graph.node if node.name == start]
    return np.random.RandomState(0).normal(size=[2, *[dim.size for dim in shape[1:]]])


def test_every_network_has_an_answer_and_every_difference_a_network() -> None:
    assert list(_AIMET) == list(NETWORKS)
    assert {*DIFFERENCES, *REFUSED, *VALUES} <= set(_AIMET) - set(_STOPPED)
    assert set(INSTEAD) == set(_STOPPED)


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")

    assert written == page.page(), "write it again: python -m tests.support.aimet_zoo.page > docs/networks.md"
