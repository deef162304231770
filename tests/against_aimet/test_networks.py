"""Small networks that the real AIMET 1.19.1 has folded, calibrated and simulated: all that it says is said here.

`tests/reference/aimet_networks/README.md` tells what is in them.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from _pytest.fixtures import SubRequest

from quant_accuracy.folding import fold
from quant_accuracy.folding.fold import FoldResult
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, placement, simulate
from quant_accuracy.quantization.records import Quantization, Quantizer, Settings
from tests.support.places import REFERENCE

_NETWORKS = REFERENCE / "aimet_networks"
_NAMES = sorted(path.name for path in _NETWORKS.iterdir() if path.is_dir())


class _Case(NamedTuple):
    """A network, what AIMET made of it, and what is made of it here."""

    folder: Path
    aimet: Mapping[str, Any]
    outputs: Sequence[str]
    frozen: tf.GraphDef
    folded: FoldResult
    quantization: Quantization
    batches: List[Dict[str, np.ndarray]]

    def feed(self) -> Dict[str, np.ndarray]:
        return {f"{name}:0": values for name, values in self.batches[0].items()}


@pytest.fixture(scope="module", params=_NAMES)
def case(request: SubRequest) -> _Case:
    folder = _NETWORKS / request.param
    document = json.loads((folder / "aimet.json").read_text())
    starts, outputs = document["starting_ops"], document["output_ops"]
    frozen = load.load_frozen(folder / "model.ckpt", outputs)
    folded = fold.fold_batch_norms(Network(frozen, starts, outputs))
    quantizers = placement.place_quantizers(Network(folded.graph, starts, outputs), Settings())
    stored = np.load(folder / "inputs.npz")
    batches: Dict[str, Dict[str, np.ndarray]] = {}
    for key in sorted(stored.files):
        batch, name = key.split("/", 1)
        batches.setdefault(batch, {})[name] = stored[key]
    quantization = calibrate.calibrate(folded.graph, quantizers, Settings(), "", list(batches.values()))
    return _Case(folder, document["default"], outputs, frozen, folded, quantization, list(batches.values()))


def _run(graph: tf.GraphDef, fetches: Sequence[str], feed: Mapping[str, np.ndarray]) -> List[np.ndarray]:
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph, name="")
        return list(session.run(list(fetches), feed))


def test_the_float_network_gives_what_it_gave_before(case: _Case) -> None:
    stored = np.load(case.folder / "float_outputs.npz")

    for graph in (case.frozen, case.folded.graph):
        for number, values in enumerate(_run(graph, [f"{name}:0" for name in case.outputs], case.feed())):
            np.testing.assert_allclose(values, stored[f"output_{number}"], rtol=1e-5, atol=1e-5)


def test_batch_norms_are_folded_as_aimet_folds_them_in_its_order(case: _Case) -> None:
    assert [[item.convolution, item.batch_norm] for item in case.folded.folded] == case.aimet["folded"]


def test_quantizers_are_exactly_those_of_aimet(case: _Case) -> None:
    def described(q: Quantizer) -> Dict[str, Any]:
        return {"name": q.name, "kind": q.kind, "enabled": q.enabled, "bits": q.bitwidth,
                "symmetric": q.symmetry.symmetric, "strict": q.symmetry.strict, "unsigned": q.symmetry.unsigned}

    assert {q.tensor: described(q) for q in case.quantization.quantizers} == case.aimet["quantizers"]


def test_encodings_are_those_of_aimet_to_a_millionth_of_their_range(case: _Case) -> None:
    theirs = case.aimet["encodings"]
    assert set(case.quantization.encodings) == set(theirs)

    for tensor, (ours,) in case.quantization.encodings.items():
        room = 1e-6 * (theirs[tensor]["max"] - theirs[tensor]["min"])
        assert [ours.minimum, ours.maximum] == pytest.approx([theirs[tensor]["min"], theirs[tensor]["max"]], abs=room)


def test_no_simulated_output_is_a_step_away_from_that_of_aimet(case: _Case) -> None:
    stored = np.load(case.folder / "outputs_default.npz")
    simulation = simulate.simulate(case.folded.graph, case.quantization)

    outputs = _run(simulation, simulate.network_outputs(case.outputs, case.quantization), case.feed())

    for number, (output, values) in enumerate(zip(case.outputs, outputs)):
        # A flattening has no quantizer of its own.
        steps = [encoding.scale for encoding in case.quantization.encodings.get(f"{output}:0", ())] or [1e-2]
        assert np.abs(values - stored[f"output_{number}"]).max() < 1e-3 * steps[0]
