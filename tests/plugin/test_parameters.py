"""Which tests there are: one for each model card, gate and quantizer."""

from pathlib import Path

from tests.support import foreign

_HIDING = """
    import pytest


    @pytest.fixture
    def model():
        return "hers"
"""


def test_a_fixture_that_hides_the_model_from_the_gates_is_refused_in_one_line_with_what_to_do(tmp_path: Path) -> None:
    foreign.make(tmp_path, {"conftest.py": _HIDING})

    done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy")

    assert done.said.count("a conftest.py defines a fixture `model`, which hides the one that the gates need") == 1
    assert "move it to the conftest.py beside the tests that use it" in done.said
    assert done.status == 2


def test_a_damaged_snapshot_is_one_error_whoever_collects(tmp_path: Path) -> None:
    foreign.make(tmp_path, {"baselines/ssd_mobilenet_v2_demo/quantizers.json": '[{"tensor": "a:0"}]'})

    for more in ((), ("-n", "2")):
        done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy", *more)

        assert done.said.count("quantizers.json: 0.kind is missing") == 1, done.said
        assert done.status == 2
