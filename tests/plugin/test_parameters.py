"""Which tests there are: one for each model card, gate and quantizer."""

from pathlib import Path

import pytest

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign, suite


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


def test_a_test_runs_once_for_each_card_where_a_fixture_of_the_same_name_extends_ours(demo: DataPaths,
                                                                                     tmp_path: Path) -> None:
    card = "base: ssd_mobilenet_v2_demo\nname: {}\n"
    foreign.make(tmp_path, {"models/one.yaml": card.format("one"), "models/two.yaml": card.format("two"),
                            "tests/conftest.py": """
        import pytest


        @pytest.fixture(scope="session")
        def shards(shards):
            return [shard.path for shard in shards]
    """, "tests/test_hers.py": """
        def test_paths(shards):
            assert shards[0].name.startswith("demo_val")
    """})

    done = foreign.run(tmp_path, "tests/", "--model", "one", "--model", "two")

    assert done.outcomes == {"test_paths[one-w8a8]": suite.PASSED, "test_paths[two-w8a8]": suite.PASSED}, done.said
