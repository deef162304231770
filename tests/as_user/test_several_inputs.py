"""Networks that begin in several places: folded, quantized, calibrated and simulated by the functions as any other."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import GraphError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph import computed
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import calibrate, encodings, encodings_file, export, placement, simulate, switches
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.configuration import WEIGHT
from quant_accuracy.quantization.records import (
    ACTIVATION,
    INPUT,
    TF_ENHANCED,
    Quantization,
    Quantizer,
    Settings,
)
from tests.conftest import Run
from tests.support import several_inputs
from tests.support.networks import random_images
from tests.support.places import ROOT


def _tensors(batch: Batch) -> Mapping[str, np.ndarray]:
    given = batch if isinstance(batch, Mapping) else {"images": batch}
    return {f"{name}:0": value for name, value in given.items()}


@pytest.fixture(scope="module", params=["two scales", "two inputs"])
def case(request: Any) -> Any:
    """A network, folded, and its calibration batches."""
    if request.param == "two scales":
        return several_inputs.folded(several_inputs.two_scales()), random_images(3)
    return several_inputs.folded(several_inputs.two_inputs()), several_inputs.values(3)


def test_all_branches_are_folded_and_quantized_from_their_starting_ops_on(case: Any) -> None:
    network, _ = case

    found = several_inputs.placed(network)

    weights = {q.tensor for q in found if q.role == WEIGHT and q.enabled}
    assert len(weights) == 4
    assert {"a/kernel/read:0", "b/kernel/read:0", "c/kernel/read:0"} < weights
    assert {q.tensor for q in found if q.role == INPUT} == {"large:0", "small:0"}
    assert {"a/Relu:0", "b/Relu:0", "joined:0", "scores:0"} <= {q.tensor for q in found if q.enabled}
    # What comes before is preprocessing.
    assert not {"scaled:0", "Cast:0", "images:0"} & {q.tensor for q in found}


def test_folding_changes_nothing_of_a_network_with_several_starting_ops(run_graph: Run) -> None:
    (batch,) = several_inputs.values(1)
    graph = several_inputs.two_inputs()
    fetches = [f"{name}:0" for name in several_inputs.OUTPUTS]

    before, after = (run_graph(some, fetches, _tensors(batch)) for some in (graph, several_inputs.folded(graph).graph))

    for wanted, found in zip(before, after):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_ranges_are_those_of_the_tensors_over_all_batches(case: Any, run_graph: Run) -> None:
    network, batches = case
    placed = several_inputs.placed(network)

    found = calibrate.calibrate(network.graph, placed, Settings(), "images", batches)

    activations = [q for q in placed if q.enabled and q.kind == ACTIVATION]
    assert {"large:0", "small:0"} <= {q.tensor for q in activations}
    observed = simulate.quantize_weights(network.graph, found)
    seen = [run_graph(observed, [q.tensor for q in activations], _tensors(batch)) for batch in batches]
    for index, quantizer in enumerate(activations):
        low = min(0.0, *(float(values[index].min()) for values in seen))
        high = max(0.0, *(float(values[index].max()) for values in seen))
        (encoding,) = found.encodings[quantizer.tensor]
        # Zero is on the grid, so the ends move by half a step at most.
        assert abs(encoding.minimum - low) <= 0.501 * encoding.scale, quantizer.tensor
        assert abs(encoding.maximum - high) <= 0.501 * encoding.scale, quantizer.tensor
        assert encoding.scale == pytest.approx((high - low) / 255, rel=1e-6)


def test_the_simulation_quantizes_every_input_and_differs_from_the_network_by_a_few_steps(case: Any,
                                                                                       run_graph: Run) -> None:
    network, batches = case
    quantization = calibrate.calibrate(network.graph, several_inputs.placed(network), Settings(), "images", batches)
    feed = _tensors(batches[0])

    graph = simulate.simulate(network.graph, quantization)

    for start in several_inputs.STARTS:
        raw, quantized = run_graph(graph, [f"{start}:0", f"{start}_quantized:0"], feed)
        (encoding,) = quantization.encodings[f"{start}:0"]
        np.testing.assert_allclose(quantized, encodings.quantize_dequantize(raw, encoding), atol=1.01 * encoding.scale)
        assert len(np.unique(quantized)) <= 256 < len(np.unique(raw)) or raw.size < 400
    ends = simulate.network_outputs(several_inputs.OUTPUTS, quantization)
    floats = run_graph(network.graph, [f"{name}:0" for name in several_inputs.OUTPUTS], feed)
    for wanted, simulated in zip(floats, run_graph(graph, ends, feed)):
        noise = np.square(simulated - wanted).mean() / np.square(wanted).mean()
        assert 0 < noise < 1e-2


@pytest.mark.parametrize("scheme", ["tf", TF_ENHANCED])
def test_an_input_that_only_unquantized_ops_need_may_be_fed(scheme: str) -> None:
    def more() -> None:
        end = tf.get_default_graph().get_tensor_by_name("end:0")
        tf.cast(end * tf.placeholder(tf.float32, [], name="factor"), tf.float64, name="scaled")

    graph = several_inputs.two_inputs(more)
    network = several_inputs.folded(graph)
    batches: List[Dict[str, np.ndarray]] = [{**batch, "factor": np.float32(2)} for batch in several_inputs.values(2)]
    settings = Settings(scheme)
    placed = several_inputs.placed(network)

    found = calibrate.calibrate(network.graph, placed, settings, "images", batches)

    assert found == calibrate.calibrate(network.graph, placed, settings, "images", several_inputs.values(2))


def test_an_input_that_the_graph_does_not_have_or_that_is_not_fed_is_named() -> None:
    network = several_inputs.folded(several_inputs.two_inputs())
    (batch,) = several_inputs.values(1)
    placed = several_inputs.placed(network)

    with pytest.raises(GraphError, match=r"no input 'smal'; name its placeholders \(did you mean small"):
        calibrate.calibrate(network.graph, placed, Settings(), "", [{**batch, "smal": batch["small"]}])
    with pytest.raises(GraphError, match="on calibration images: nothing feeds the placeholder 'small', a float"):
        calibrate.calibrate(network.graph, placed, Settings(), "", [{"large": batch["large"]}])


def test_the_example_of_the_page_quantizes_a_checkpoint_of_two_inputs(tmp_path: Path, run_graph: Run,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    with tf.Graph().as_default() as graph, tf.Session() as session:
        left, right = (tf.placeholder(tf.float32, [None, 4], name=name) for name in ("left", "right"))
        hidden = [tf.nn.relu(tf.layers.dense(side, 3)) for side in (left, right)]
        tf.layers.dense(tf.concat(hidden, 1), 2, name="scores_of")
        tf.sigmoid(graph.get_tensor_by_name("scores_of/BiasAdd:0"), name="scores")
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))
        batches = [{name: np.random.RandomState(seed).normal(size=[5, 4]).astype(np.float32)
                    for seed, name in enumerate(("left", "right"))}]
        (wanted,) = session.run(["scores:0"], _tensors(batches[0]))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "quantization.md").read_text(), re.DOTALL)
    used: Dict[str, Any] = {**{module.__name__.split(".")[-1]: module
                               for module in (calibrate, computed, fold, load, placement, simulate)},
                            "Network": Network, "Path": Path, "Settings": Settings, "batches": batches,
                            "replace": replace}

    exec(example, used)

    assert {"left:0", "right:0"} < set(used["quantization"].encodings)
    (found,) = run_graph(used["simulation"], [used["scores"]], _tensors(batches[0]))
    assert 0 < np.abs(found - wanted).max() < 0.02


def _twice(reads: int) -> tf.GraphDef:
    """One kernel, read once or twice, that two convolutions take; as a Keras layer that is called twice."""
    with tf.Graph().as_default() as graph:
        kernel = tf.constant(np.random.RandomState(2).normal(size=[3, 3, 3, 3]).astype(np.float32), name="kernel")
        read = [tf.identity(kernel, name=f"layer{suffix}/Conv2D/ReadVariableOp") for suffix in ("", "_1")[:reads]]
        start = tf.placeholder(tf.float32, [None, 6, 6, 3], name="start")
        first = tf.nn.relu(tf.nn.conv2d(start, read[0], 1, "SAME", name="layer/Conv2D"), name="relu")
        tf.nn.conv2d(first, read[-1], 1, "SAME", name="layer_1/Conv2D")
        tf.identity(graph.get_tensor_by_name("layer_1/Conv2D:0"), name="end")
    return graph.as_graph_def()


def _simulated(graph: tf.GraphDef, run_graph: Run, bits: Mapping[str, int]) -> Any:
    """The quantization with other bits for some weights, and what comes out of its simulation for `_START`."""
    network = Network(graph, ["start"], ["end"])
    placed = [_with_bits(q, bits.get(q.tensor, q.bitwidth)) for q in several_inputs.placed(network)]
    found = calibrate.calibrate(graph, placed, Settings(), "start", [_START])
    fetches = simulate.network_outputs(["layer_1/Conv2D"], found)
    return found, fetches, run_graph(simulate.simulate(graph, found), fetches, {"start:0": _START})[0]


_START = np.random.RandomState(3).normal(size=[1, 6, 6, 3]).astype(np.float32)
_READS = ["layer/Conv2D/ReadVariableOp:0", "layer_1/Conv2D/ReadVariableOp:0"]


def _with_bits(quantizer: Quantizer, bits: int) -> Quantizer:
    return Quantizer(**{**vars(quantizer), "bitwidth": bits})


@pytest.mark.parametrize("reads", [1, 2])
def test_a_kernel_of_two_convolutions_has_one_quantizer_for_each_tensor_that_is_read(reads: int,
                                                                                    run_graph: Run) -> None:
    graph = _twice(reads)

    found, fetches, simulated = _simulated(graph, run_graph, {})

    params = [q for q in found.enabled() if q.role == WEIGHT]
    assert [q.tensor for q in params] == _READS[:reads]
    kernel = next(tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.name == "kernel")
    (encoding,) = found.encodings[_READS[0]]
    assert all(found.encodings[q.tensor] == (encoding,) for q in params)
    alone = simulate.insert_fake_quant(_with_kernels(graph, [encodings.quantize_dequantize(kernel, encoding)] * reads),
                                       found)
    np.testing.assert_array_equal(simulated, run_graph(alone, fetches, {"start:0": _START})[0])


def test_two_readers_of_one_kernel_are_quantized_each_in_its_own_way(run_graph: Run) -> None:
    graph = _twice(2)
    kernel = next(tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.name == "kernel")
    for bits in ({_READS[0]: 3}, {_READS[1]: 3}):
        found, fetches, simulated = _simulated(graph, run_graph, bits)

        grids = [encodings.quantize_dequantize(kernel, found.encodings[tensor][0]) for tensor in _READS]
        assert [len(np.unique(grid)) <= 8 for grid in grids] == [tensor in bits for tensor in _READS]
        alone = simulate.insert_fake_quant(_with_kernels(graph, grids), found)
        np.testing.assert_array_equal(simulated, run_graph(alone, fetches, {"start:0": _START})[0])


@pytest.mark.parametrize("reads", [1, 2])
def test_an_export_of_a_shared_kernel_is_the_float_network_and_an_encoding_for_each_reader(
        reads: int, tmp_path: Path, run_graph: Run) -> None:
    graph = _twice(reads)
    found, _, _ = _simulated(graph, run_graph, {})

    export.write_checkpoint(graph, tmp_path)
    encodings_file.write(tmp_path / "model.encodings", found)

    again = load.load_frozen(tmp_path / export.PREFIX, ["end"])
    before, after = (run_graph(some, ["end:0"], {"start:0": _START})[0] for some in (graph, again))
    np.testing.assert_array_equal(after, before)
    stored = json.loads((tmp_path / "model.encodings").read_text())
    assert set(stored["param_encodings"]) == set(_READS[:reads])
    assert several_inputs.placed(Network(again, ["start"], ["end"])) == list(found.quantizers)


def test_two_readers_of_one_kernel_have_a_switch_each(run_graph: Run) -> None:
    graph = _twice(2)
    found, fetches, _ = _simulated(graph, run_graph, {})
    switched = switches.insert_switches(graph, found)
    sets: List[List[str]] = [[], _READS, _READS[:1], _READS[1:]]
    for off in sets:
        kept = [_switched(q, q.enabled and q.tensor not in off) for q in found.quantizers]

        wanted = run_graph(simulate.simulate(graph, Quantization(kept, found.encodings)), fetches, {"start:0": _START})
        shown = run_graph(switched, fetches, {"start:0": _START, **switches.all_but(found, off)})

        np.testing.assert_array_equal(shown[0], wanted[0])


def _switched(quantizer: Quantizer, on: bool) -> Quantizer:
    return Quantizer(**{**vars(quantizer), "enabled": on})


def _with_kernels(graph: tf.GraphDef, kernels: List[np.ndarray]) -> tf.GraphDef:
    """The graph with other values behind each of the tensors that are read."""
    result = tf.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        for tensor, values in zip(_READS, kernels):
            if node.name + ":0" == tensor:
                del node.input[:]
                node.ClearField("attr")
                node.op = "Const"
                node.attr["dtype"].type = tf.float32.as_datatype_enum
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return result
