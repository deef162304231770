"""AIMET's simulation against the built-in one, in this process and in another."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Sequence

import numpy as np

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement, simulate
from quant_accuracy.quantization.records import Quantization
from quant_accuracy.settings.card import ModelCard
from tests.conftest import Run
from tests.support.places import ROOT


def _decibels(wanted: np.ndarray, found: np.ndarray) -> float:
    noise = float(np.square(wanted - found).sum())
    return 10.0 * float(np.log10(np.square(wanted).sum() / noise)) if noise else float("inf")


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
