"""The built-in simulator against the real AIMET's numbers for a whole network."""

import numpy as np
import pytest

from benchmarks import fidelity
from benchmarks.fidelity import Agreement, Reference
from quant_accuracy.quantization.records import TF, TF_ENHANCED
from tests.support.places import ROOT


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return fidelity.reference(tmp_path_factory.mktemp("fidelity"))


@pytest.fixture(scope="module", params=(TF, TF_ENHANCED))
def agreement(request: pytest.FixtureRequest, network: Reference) -> Agreement:
    return fidelity.measure(request.param, network)


def test_quantizers_and_folded_batch_norms_are_exactly_aimets(agreement: Agreement) -> None:
    assert agreement.quantizers == (278, 278)
    assert agreement.folded == (60, 60)


def test_every_param_encoding_is_aimets(agreement: Agreement) -> None:
    assert max(agreement.params) <= 1e-6


def test_every_activation_encoding_is_close_to_aimets(agreement: Agreement) -> None:
    assert max(agreement.activations) <= 1e-3
    assert np.percentile(agreement.activations, 95) <= 1e-5


def test_float_outputs_are_aimets(agreement: Agreement) -> None:
    assert agreement.float_outputs <= 1e-4


def test_simulated_outputs_are_as_close_to_aimets_as_float32_allows(agreement: Agreement) -> None:
    assert np.mean(agreement.simulated["concat"]) >= 29
    assert np.mean(agreement.simulated["concat_1"]) >= 38


def test_the_page_in_the_docs_has_the_placement_and_param_figures_of_today(agreement: Agreement) -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text()
    rows = fidelity.as_markdown({"any": agreement}).splitlines()

    # Rows that do not depend on the machine's float32 kernels.
    for wanted in (row for row in rows if row.startswith(("| quantizers", "| folded", "| param"))):
        label, value = [cell.strip() for cell in wanted.split("|")[1:3]]
        assert any(label in row and value in row for row in page.splitlines())


def test_only_the_table_of_the_page_is_written_anew() -> None:
    page = "# Title\n\nWords.\n\n| | tf |\n|--|--|\n| old | 1 |\n\nMore words.\n\n| another | table |\n"

    assert fidelity.with_table(page, "| | tf |\n|--|--|\n| new | 2 |") \
        == page.replace("| old | 1 |", "| new | 2 |")
