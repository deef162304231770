"""OpenVINO's integer kernels: that they run, and what they do to the encodings."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quant_accuracy.base.errors import ConfigurationError, StorageError, UnsupportedError
from quant_accuracy.base.words import OPENVINO_INT8
from quant_accuracy.device import contract, openvino_int8
from quant_accuracy.device.job import Job
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.quantization import simulate
from quant_accuracy.quantization.configuration import Configuration, ParamRule
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantization, Settings
from quant_accuracy.runtimes import openvino_runtime
from tests.conftest import Run
from tests.support import integer_networks

pytestmark = pytest.mark.skipif(not openvino_runtime.installed(), reason="OpenVINO is not installed")
_SYMMETRIC = Settings(configuration=Configuration(all_params=ParamRule(quantized=True, symmetric=True)))


def test_layers_run_in_integers_and_those_that_do_not_are_counted(int8_job: Job) -> None:
    # The first one takes pixels that no quantizer has been at.
    assert "openvino-int8: 4 of 5 layers with weights run in integers" in openvino_int8.notes(int8_job.folder)[0]


def test_asymmetric_weights_get_symmetric_grids_and_a_note(int8_job: Job) -> None:
    graph, _ = openvino_int8.with_ranges(int8_job)
    grids = {node.name: node for node in graph.node if node.op == "FakeQuantWithMinMaxArgs"}

    for quantizer in int8_job.quantization.enabled():
        if quantizer.kind == PARAM:
            weights = graph_nodes.constant(graph_nodes.by_name(int8_job.graph), quantizer.tensor)
            grid = grids[quantizer.name].attr
            assert grid["max"].f == -grid["min"].f
            assert grid["narrow_range"].b
            assert grid["max"].f == pytest.approx(np.abs(weights).max(), rel=0.01)
    assert "5 weights have symmetric grids" in openvino_int8.notes(int8_job.folder)[1]


def test_symmetric_weights_keep_their_encodings(tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, settings=_SYMMETRIC)

    contract.of(OPENVINO_INT8).build(job)

    assert not [line for line in openvino_int8.notes(tmp_path) if "symmetric grids" in line]
    assert "4 of 5 layers" in openvino_int8.notes(tmp_path)[0]


def test_outputs_are_near_those_of_the_simulation(tmp_path: Path, run_graph: Run) -> None:
    job = integer_networks.job(tmp_path, settings=_SYMMETRIC)
    contract.of(OPENVINO_INT8).build(job)
    images = np.concatenate(integer_networks.images(3))
    fetches = simulate.network_outputs(job.names.output_ops, job.quantization)

    simulated = run_graph(simulate.simulate(job.graph, job.quantization), fetches, {"images:0": images})
    with openvino_int8.open_network(tmp_path) as run:
        found = run(images)

    for name, value, wanted in zip(job.names.output_ops, found, simulated):
        (encoding,) = job.quantization.encodings.get(f"{name}:0") or job.quantization.encodings["e/BiasAdd:0"]
        assert value.shape == wanted.shape
        assert np.abs(value - wanted).max() < 6 * encoding.scale
        assert np.abs(value - wanted).mean() < encoding.scale


def test_many_threads_get_what_one_gets(int8_job: Job) -> None:
    images = integer_networks.images(6)
    with openvino_int8.open_network(int8_job.folder) as run, ThreadPoolExecutor(4) as pool:
        alone = [run(image) for image in images]
        together = list(pool.map(run, images * 2))

    for index, found in enumerate(together):
        for one, other in zip(found, alone[index % len(images)]):
            np.testing.assert_array_equal(one, other)


def test_a_network_without_an_integer_layer_is_refused(int8_job: Job, tmp_path: Path) -> None:
    weights = [q for q in int8_job.quantization.quantizers if q.kind != ACTIVATION]
    job = replace(int8_job, folder=tmp_path, quantization=Quantization(weights, int8_job.quantization.encodings))

    with pytest.raises(UnsupportedError, match="runs none of 5 layers in integers"):
        openvino_int8.build(job)


def test_other_bits_are_refused_with_the_setting(tmp_path: Path) -> None:
    job = integer_networks.job(tmp_path, settings=Settings(output_bitwidth=16))

    with pytest.raises(ConfigurationError, match=r"--device openvino-int8: .*16 bits.*output_bitwidth"):
        contract.of(OPENVINO_INT8).check(job.quantization)


def test_a_missing_or_damaged_network_is_named(int8_job: Job, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="network.json"):
        openvino_int8.notes(tmp_path)
    (tmp_path / "network.json").write_bytes((int8_job.folder / "network.json").read_bytes())
    (tmp_path / "network.pb").write_bytes(b"\xff\xff")

    with pytest.raises(StorageError, match="network.pb"), openvino_int8.open_network(tmp_path):
        pass
