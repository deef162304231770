"""Tensors told apart by where they stand: in the checkpoint's own graph, and folded here."""

import itertools
import json
from pathlib import Path
from typing import Any, List, NamedTuple

import pytest
import tensorflow.compat.v1 as tf
from _pytest.fixtures import SubRequest

from quant_accuracy.folding import fold
from quant_accuracy.freezing import dropouts, load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import GENERATED, PARAM, Quantizer, Settings
from quant_accuracy.quantization.same_tensors import Place, Tensors, same, with_shapes, without_dropouts
from tests.support import two_branches
from tests.support.places import REFERENCE

_NETWORKS = REFERENCE / "aimet_networks"
_NAMES = sorted(path.name for path in _NETWORKS.iterdir() if path.is_dir())


class _Both(NamedTuple):
    """A network as its checkpoint has it, with its variables and training ops, and folded here."""

    there: Tensors
    here: Tensors
    quantizers: List[Quantizer]


@pytest.fixture(scope="module", params=_NAMES)
def both(request: SubRequest) -> _Both:
    folder = _NETWORKS / request.param
    document = json.loads((folder / "aimet.json").read_text())
    starts, outputs = document["starting_ops"], document["output_ops"]
    network = Network(load.load_frozen(folder / "model.ckpt", outputs), starts, outputs)
    network = Network(fold.fold_batch_norms(network).graph, starts, outputs)
    quantizers = [q for q in placement.place_quantizers(network, Settings()) if not GENERATED.match(q.tensor)]
    meta = tf.MetaGraphDef.FromString((folder / "model.ckpt.meta").read_bytes())
    return _Both(Tensors(meta.graph_def), Tensors(with_shapes(network.graph)), quantizers)


def test_every_tensor_of_a_checkpoint_is_the_same_behind_freezing_and_folding(both: _Both) -> None:
    others = [f"{q.tensor}: {here} and {there}" for q in both.quantizers
              for here, there in [(both.here.place(q.tensor, q.kind == PARAM),
                                   both.there.place(q.tensor, q.kind == PARAM))] if not same(here, there)]

    assert both.quantizers
    assert not others


def test_no_other_tensor_of_a_checkpoint_is_taken_for_it(both: _Both) -> None:
    taken = []
    for one, other in itertools.permutations(both.quantizers, 2):
        param = one.kind == PARAM
        place = both.here.place(one.tensor, param)
        # What two ops of one type make of the same input, the same shape included, only their names tell apart.
        alike = place._replace(constants=frozenset()) \
            == both.here.place(other.tensor, param)._replace(constants=frozenset())
        if one.kind == other.kind and not alike and same(place, both.there.place(other.tensor, param)):
            taken.append(f"{one.tensor}: {place} taken for {other.tensor}")

    assert not taken


def _place(**changed: Any) -> Place:
    return Place("Relu", frozenset(["conv"]), frozenset(), frozenset(), False, (-1, 8, 8, 4))._replace(**changed)


_PARAM = _place(kind="param", shape=(3, 3, 4, 8))


@pytest.mark.parametrize(("ours", "theirs", "expected"), [
    (_place(), _place(), True),
    (_place(), _place(kind="Relu6"), False),
    (_place(), _place(ops=frozenset(["other"])), False),
    (_place(), _place(shape=(1, 20, 20, 4)), True),
    (_place(), _place(shape=(-1, 8, 8, 5)), False),
    (_place(), _place(shape=(-1, 4)), False),
    (_place(), _place(shape=None), True),
    (_place(), _place(shape=(-1, -1, -1, -1)), True),
    # One branch of a training phase is left.
    (_place(), _place(ops=frozenset(["conv", "dropout"]), several=True), True),
    (_place(), _place(ops=frozenset(["conv", "dropout"])), False),
    # Variables are constants in a frozen graph, and some constants may be others.
    (_place(constants=frozenset(["w", "shape"])), _place(variables=frozenset(["w"])), True),
    (_place(constants=frozenset(["v"])), _place(variables=frozenset(["w"])), False),
    # Weights that are computed are stored here.
    (_place(constants=frozenset(["scaled"])), _place(ops=frozenset(["conv", "scaled"])), True),
    (_PARAM, _PARAM._replace(ops=frozenset(["conv", "save"])), True),
    (_PARAM, _PARAM._replace(ops=frozenset(["other"])), False),
    (_PARAM, _PARAM._replace(shape=(5, 3, 4, 8)), False),
])
def test_what_makes_a_tensor_another_one(ours: Place, theirs: Place, expected: bool) -> None:
    assert same(ours, theirs) is expected


def test_a_bias_is_found_by_the_convolution_that_it_belongs_to(tmp_path: Path) -> None:
    branches = two_branches.make(tmp_path)
    tensors = Tensors(branches.network.graph)

    for way in ("a", "b", "c"):
        assert tensors.biased(branches.added(way), False) == f"{way}/Conv2D"
        assert tensors.biased(branches.bias(way), True) == f"{way}/Conv2D"
        assert str(tensors.place(branches.added(way), False)).startswith(f"the BiasAdd behind '{way}/Conv2D'")
    assert tensors.biased("c/Relu:0", False) is None
    assert tensors.biased("a/weights/read:0", True) is None
    assert tensors.bias_of("c/Relu", False) is None
    assert "a/Conv2D:0" in tensors
    assert "a/Conv2D:1" not in tensors


def test_a_dropout_of_training_is_the_same_tensor_where_it_was_brought_to_inference() -> None:
    with tf.Graph().as_default() as graph:
        start = tf.nn.elu(tf.placeholder(tf.float32, [2, 4]), name="start")
        output = tf.nn.dropout(start, rate=0.5)
        tf.nn.relu(output, name="end")
    tensors = [output.name, "end:0"]
    theirs = graph.as_graph_def(add_shapes=True)
    here = Tensors(with_shapes(dropouts.resolve(theirs, ["end"])))

    there = Tensors(without_dropouts(theirs, tensors))
    assert [same(here.place(tensor, False), there.place(tensor, False)) for tensor in tensors] == [True, True]
    assert not same(here.place("end:0", False), Tensors(theirs).place("end:0", False))


def test_ops_in_a_circle_end() -> None:
    graph = tf.GraphDef()
    for name, other in (("one", "other"), ("other", "one")):
        graph.node.add(name=name, op="Identity", input=[other])
    graph.node.add(name="end", op="BiasAdd", input=["one", "lost"])

    assert Tensors(graph).place("end:0", False).ops == frozenset()
    assert not Tensors(graph).place("one:0", False).ops
