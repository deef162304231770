"""Which tests there are: one for each model card, gate and quantizer."""

from pathlib import Path

import pytest

from tests.support import foreign


@pytest.mark.parametrize("name", ["model", "annotations"])
def test_a_fixture_that_hides_one_of_the_gates_is_refused_in_one_line_with_what_to_do(tmp_path: Path,
                                                                                     name: str) -> None:
    foreign.make(tmp_path, {"conftest.py": f"""
        import pytest


        @pytest.fixture(scope="session")
        def {name}():
            return "hers"
    """})

    done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy")

    said = f"could not measure: {tmp_path}/conftest.py: defines a fixture `{name}`, which hides the one that the gates"
    assert done.said.count(said) == 1
    assert "move it to the conftest.py beside the tests that use it" in done.said
    assert done.status == 2


def test_a_damaged_snapshot_is_one_error_whoever_collects(tmp_path: Path) -> None:
    foreign.make(tmp_path, {"baselines/ssd_mobilenet_v2_demo/quantizers.json": '[{"tensor": "a:0"}]'})

    for more in ((), ("-n", "2")):
        done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy", *more)

        assert done.said.count("quantizers.json: 0.kind is missing") == 1, done.said
        assert done.status == 2
