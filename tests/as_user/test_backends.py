"""What every backend promises: the same tests for the built-in simulator and for the real AIMET."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fidelity import quantizers_of_aimet
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.quantization import aimet, encodings_file
from quant_accuracy.quantization.records import ACTIVATION, AIMET, BUILTIN, PARAM
from quant_accuracy.reporting import output
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request

_WITHOUT_AIMET = pytest.mark.skipif(aimet.installed() is None,
                                    reason=f"AIMET is not installed (wheels: {aimet.WHEELS})")


@pytest.fixture(scope="module", params=[
    (BUILTIN, BUILTIN),
    pytest.param((AIMET, BUILTIN), marks=_WITHOUT_AIMET),
    pytest.param((AIMET, AIMET), marks=_WITHOUT_AIMET),
], ids=lambda names: "-simulated-by-".join(names))
def evaluation(request: pytest.FixtureRequest, demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Evaluation:
    backend, simulator = request.param
    settings = replace(demo_card.quantization, backend=backend, simulator=simulator)
    card = replace(demo_card, quantization=settings, calibration_images=4)
    return evaluate(Request(card, demo, 1, "0"), cache)


def test_quantizers_are_those_of_aimets_default_configuration(evaluation: Evaluation) -> None:
    found = {(q.name, q.tensor, q.kind, q.enabled) for q in evaluation.artifacts.quantizers}

    assert found == quantizers_of_aimet()


def test_every_enabled_quantizer_has_an_encoding_of_its_bits(evaluation: Evaluation) -> None:
    built = evaluation.artifacts

    assert {tensor: [encoding.bitwidth for encoding in found] for tensor, found in built.encodings.items()} == {
        q.tensor: [8] for q in built.quantizers if q.enabled}


def test_the_quantized_network_detects_about_as_well_as_the_float_one(evaluation: Evaluation) -> None:
    before, after = (evaluation.variants[name].metrics.figures["mAP"] for name in ("float", "quantized"))

    assert before is not None
    assert after is not None
    assert after == pytest.approx(before, abs=0.1)
    assert evaluation.variants["quantized"].merged.results


def test_the_export_has_aimets_files_and_encodings(evaluation: Evaluation, tmp_path: Path) -> None:
    names = {path.name for path in output.export_quantsim(evaluation.artifacts, tmp_path)}

    assert {"model.meta", "model.index", "model.data-00000-of-00001", "checkpoint", "model.encodings"} <= names
    stored = encodings_file.read(tmp_path / "model.encodings")
    assert encodings_file.matching(stored, evaluation.artifacts.quantizers, [PARAM, ACTIVATION]) \
        == evaluation.artifacts.encodings


@pytest.mark.parametrize(("backend", "simulator", "message"), [
    (BUILTIN, AIMET, "AIMET can run only what it has built"),
    pytest.param(AIMET, None, "AIMET is not installed", marks=pytest.mark.skipif(aimet.installed() is not None,
                                                                                 reason="AIMET is installed")),
])
def test_what_cannot_be_simulated_is_refused(demo: DataPaths, demo_card: ModelCard, cache: Cache, backend: str,
                                             simulator: str, message: str) -> None:
    card = replace(demo_card, quantization=replace(demo_card.quantization, backend=backend, simulator=simulator))

    with pytest.raises(ConfigurationError, match=message):
        evaluate(Request(card, demo, 1, "0"), cache)
