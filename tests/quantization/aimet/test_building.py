"""Quantizers and encodings of the real AIMET; skipped where it is not installed."""

import json
from pathlib import Path
from typing import Any, Dict, Sequence, Tuple

import numpy as np
import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import aimet, calibrate, encodings_file
from quant_accuracy.quantization.records import Quantization
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.support.places import REFERENCE

_PLACEMENT = json.loads((REFERENCE / "aimet_placement.json").read_text())


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
                                                       demo_artifacts: Artifacts, calibration: Sequence[np.ndarray],
                                                       tmp_path: Path) -> None:
    network = Network.of(demo_artifacts.graph(FLOAT), demo_card.graph)

    quick = aimet.build(demo.checkpoint, network, demo_card.graph, demo_card.quantization, None, calibration, tmp_path,
                        False)

    assert quick.quantizers == built.quantizers
    assert not list(tmp_path.iterdir())
    for tensor, (wanted,) in built.encodings.items():
        (encoding,) = quick.encodings[tensor]
        assert encoding.scale == pytest.approx(wanted.scale, rel=1e-5), tensor
        assert abs(encoding.offset - wanted.offset) <= 1, tensor
