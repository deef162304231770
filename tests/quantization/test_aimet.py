"""The adapter to the real AIMET: what can be tested without it, and what is skipped where it is not installed."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.graph import prune
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, calibrate, encodings_file, placement, simulate
from quant_accuracy.quantization.records import Quantization
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.conftest import Run
from tests.support.places import REFERENCE, ROOT

_PLACEMENT = json.loads((REFERENCE / "aimet_placement.json").read_text())
_OUTPUTS = ["concat", "concat_1"]
_VARIABLES = ("VariableV2", "Variable", "VarHandleOp")


def _meta(path: DataPaths) -> tf.MetaGraphDef:
    return tf.MetaGraphDef.FromString(Path(f"{path.checkpoint}.meta").read_bytes())


def _outputs(meta: tf.MetaGraphDef, checkpoint: Path, image: np.ndarray) -> Sequence[np.ndarray]:
    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(meta)
        with tf.Session() as session:
            saver.restore(session, str(checkpoint))
            return list(session.run([f"{name}:0" for name in _OUTPUTS], {"image_tensor:0": image}))


def test_pruned_meta_graph_restores_and_gives_the_same_outputs(demo: DataPaths) -> None:
    image = np.random.RandomState(0).randint(0, 256, size=(1, 300, 300, 3)).astype(np.uint8)
    whole = _meta(demo)

    pruned = prune.prune_meta_graph(whole, _OUTPUTS)

    assert len(pruned.graph_def.node) < 0.4 * len(whole.graph_def.node)
    for a, b in zip(_outputs(whole, demo.checkpoint, image), _outputs(pruned, demo.checkpoint, image)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_every_variable_of_a_pruned_meta_graph_is_restored_and_can_be_saved_again(demo: DataPaths,
                                                                                 tmp_path: Path) -> None:
    pruned = prune.prune_meta_graph(_meta(demo), _OUTPUTS)

    with tf.Graph().as_default():
        saver = tf.train.import_meta_graph(pruned)
        variables = tf.global_variables()
        with tf.Session() as session:
            saver.restore(session, str(demo.checkpoint))
            missing = session.run(tf.report_uninitialized_variables(variables))
            tf.train.Saver().save(session, str(tmp_path / "again"))

    assert len(variables) == sum(node.op in _VARIABLES for node in pruned.graph_def.node)
    assert not len(missing)


def test_variable_of_a_pruned_meta_graph_can_be_set_through_its_initializer(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        used = tf.get_variable("used", initializer=[1.0], use_resource=True)
        spare = tf.Variable([2.0], name="spare")
        with tf.colocate_with(spare):
            tf.multiply(used, 2.0, name="out")
        tf.Variable(0, name="unsaved")
        saver = tf.train.Saver([used])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            saver.save(session, str(tmp_path / "model"), write_meta_graph=False)
        meta = tf.train.export_meta_graph(graph=graph, saver_def=saver.as_saver_def())

    with tf.Graph().as_default() as graph:
        restored = tf.train.import_meta_graph(prune.prune_meta_graph(meta, ["out"]))
        (variable,) = tf.global_variables()
        with tf.Session() as session:
            restored.restore(session, str(tmp_path / "model"))
            before = session.run("out:0")
            variable.load([5.0], session)
            after = session.run("out:0")

    assert (list(before), list(after)) == ([2.0], [10.0])


def test_pruning_to_an_unknown_op_is_an_error_that_suggests_near_names(demo: DataPaths) -> None:
    with pytest.raises(GraphError, match="did you mean concat"):
        prune.prune_meta_graph(_meta(demo), ["concat_"])


def _require(folder: Path) -> str:
    """What `require` says in a process that finds packages in `folder` first."""
    script = ("from quant_accuracy.base.errors import ConfigurationError\n"
              "from quant_accuracy.quantization import aimet\n"
              "try:\n    print('found', aimet.require())\n"
              "except ConfigurationError as error:\n    print('refused:', error)\n")
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, cwd=str(ROOT), env={**os.environ, "PYTHONPATH": str(folder)})
    return done.stdout


def _distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _package(folder: Path, *modules: str) -> None:
    package = folder / "aimet_tensorflow"
    package.mkdir()
    for module in modules:
        (package / module).write_text("")


@pytest.mark.skipif(aimet.installed() is not None, reason="AIMET is installed")
def test_without_aimet_the_message_says_where_its_wheels_are(tmp_path: Path) -> None:
    said = _require(tmp_path)

    assert said.startswith("refused: AIMET is not installed; ")
    assert aimet.WHEELS in said
    assert "AimetCommon and AimetTensorflow" in said


@pytest.mark.skipif(aimet.installed() is not None, reason="AIMET is installed")
def test_placeholder_of_the_public_index_does_not_count(tmp_path: Path) -> None:
    _distribution(tmp_path, "aimet-tensorflow", "0.0.1")
    _package(tmp_path, "__init__.py")

    said = _require(tmp_path)

    assert said.startswith("refused: AIMET is not installed: the package aimet-tensorflow")
    assert "placeholder" in said
    assert aimet.WHEELS in said


@pytest.mark.parametrize(("version", "said"), [
    pytest.param("tf-gpu-1.19.1.py37", "found 1.19.1\n", id="known"),
    pytest.param("tf-cpu-1.22.2", "warning: AIMET 1.22.2 is installed, but 1.19 is what is known to work", id="other"),
])
def test_version_is_that_of_the_wheel_whatever_its_variant(tmp_path: Path, version: str, said: str) -> None:
    _distribution(tmp_path, "AimetTensorflow", version)
    _package(tmp_path, "quantsim.py")

    assert _require(tmp_path).startswith(said)


@pytest.fixture(scope="module")
def calibration(demo: DataPaths) -> List[np.ndarray]:
    return images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 2, 300, 300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    return Path(tmp_path_factory.mktemp("aimet"))


@pytest.fixture(scope="module")
def built(demo: DataPaths, demo_card: ModelCard, calibration: Sequence[np.ndarray], folder: Path) -> Quantization:
    """The demo, simulated by the real AIMET in `folder`."""
    if aimet.installed() is None:
        pytest.skip(f"AIMET is not installed (wheels: {aimet.WHEELS})")
    return aimet.build(demo.checkpoint, demo_card.graph, demo_card.quantization, None, calibration, folder, True)


@pytest.fixture(scope="module")
def outputs(built: Quantization, demo_card: ModelCard, calibration: Sequence[np.ndarray],
            folder: Path) -> Sequence[np.ndarray]:
    with aimet.open_network(folder, demo_card.graph) as run:
        return run(calibration[0])


def _decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    noise = float(np.square(wanted - found).sum())
    return 10.0 * float(np.log10(np.square(wanted).sum() / noise)) if noise else float("inf")


def test_aimet_places_the_quantizers_of_the_list(built: Quantization) -> None:
    found = {(q.name, q.tensor, q.kind, q.enabled) for q in built.quantizers}

    assert found == {tuple(item) for item in _PLACEMENT["quantizers"]}


def test_builtin_simulator_has_aimets_quantizers(built: Quantization, demo_artifacts: Artifacts) -> None:
    def facts(quantizers: Sequence[Any]) -> Dict[str, Tuple[Any, ...]]:
        return {q.tensor: (q.name, q.kind, q.bitwidth, q.symmetry, q.enabled) for q in quantizers}

    assert facts(demo_artifacts.quantizers) == facts(built.quantizers)


def test_builtin_simulator_has_aimets_encodings(built: Quantization, demo_artifacts: Artifacts, demo_card: ModelCard,
                                                calibration: Sequence[np.ndarray]) -> None:
    found = calibrate.calibrate(demo_artifacts.graph(FLOAT), demo_artifacts.quantizers, demo_card.quantization,
                                demo_card.graph.image_input, calibration).encodings

    assert set(found) == set(built.encodings)
    for tensor, (wanted,) in built.encodings.items():
        (encoding,) = found[tensor]
        assert encoding.scale == pytest.approx(wanted.scale, rel=1e-5), tensor
        # A range whose zero point lies half-way between two steps may be shifted by a whole one.
        assert abs(encoding.offset - wanted.offset) <= 1, tensor
        assert (encoding.bitwidth, encoding.symmetric) == (wanted.bitwidth, wanted.symmetric), tensor


def test_encodings_are_those_of_aimets_export(built: Quantization, folder: Path) -> None:
    assert built.encodings == encodings_file.read(folder / "export" / "model.encodings").all()


def test_encodings_without_the_simulation_are_the_same(built: Quantization, demo: DataPaths, demo_card: ModelCard,
                                                       calibration: Sequence[np.ndarray], tmp_path: Path) -> None:
    quick = aimet.build(demo.checkpoint, demo_card.graph, demo_card.quantization, None, calibration, tmp_path, False)

    assert quick.quantizers == built.quantizers
    assert not list(tmp_path.iterdir())
    for tensor, (wanted,) in built.encodings.items():
        (encoding,) = quick.encodings[tensor]
        assert encoding.scale == pytest.approx(wanted.scale, rel=1e-5), tensor
        assert abs(encoding.offset - wanted.offset) <= 1, tensor


# A quantized network multiplies float32 differences: one and the same graph, its input scaled by 1 + 1e-6, is 28 dB
# from itself, and the float network 17 dB from the quantized one.
_SAME = 22.0


def test_aimets_outputs_are_near_the_builtin_simulators(outputs: Sequence[np.ndarray], built: Quantization,
                                                        demo_artifacts: Artifacts, demo_card: ModelCard,
                                                        calibration: Sequence[np.ndarray], run_graph: Run) -> None:
    names, graph = demo_card.graph, demo_artifacts.graph(FLOAT)
    quantizers = placement.place_quantizers(Network.of(graph, names), demo_card.quantization)
    quantization = Quantization(quantizers, built.encodings)

    found = run_graph(simulate.simulate(graph, quantization),
                      simulate.network_outputs(names.output_ops, quantization),
                      {f"{names.image_input}:0": calibration[0]})

    for a, b in zip(outputs, found):
        assert a.shape == b.shape
        assert _decibels(a, b) > _SAME


def test_saved_simulation_runs_in_another_process(outputs: Sequence[np.ndarray], demo_card: ModelCard, folder: Path,
                                                  calibration: Sequence[np.ndarray], tmp_path: Path) -> None:
    task, answer = tmp_path / "task", tmp_path / "answer"
    task.write_bytes(pickle.dumps((folder, demo_card.graph, calibration[0])))
    script = ("import pickle, sys\n"
              "from pathlib import Path\n"
              "from quant_accuracy.quantization import aimet\n"
              "folder, names, images = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
              "with aimet.open_network(folder, names) as run:\n"
              "    Path(sys.argv[2]).write_bytes(pickle.dumps(run(images)))\n")

    subprocess.run([sys.executable, "-c", script, str(task), str(answer)], check=True, cwd=str(ROOT))

    for a, b in zip(outputs, pickle.loads(answer.read_bytes())):
        assert _decibels(a, b) > _SAME
