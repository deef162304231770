"""What could not be measured: one error, exit status 2, and nothing that takes long before."""

from pathlib import Path
from typing import Tuple

import pytest

from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from tests.support import foreign, suite

_SAID = "could not measure: --shards 0-99: there is no shard 10-99; the data set has 0-9"


@pytest.mark.parametrize("parallel", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_one_wrong_input_is_one_error_and_the_other_tests_say_where(demo: DataPaths, tmp_path: Path,
                                                                    parallel: Tuple[str, ...]) -> None:
    done = suite.run(tmp_path, "--shards", "0-99", *parallel)

    (first,) = [test for test, outcome in done.outcomes.items() if outcome == suite.ERROR]
    others = {test: outcome for test, outcome in done.outcomes.items() if test != first}
    assert done.status == 2, done.said
    assert done.said.count(_SAID) == 1
    assert _SAID in done.messages[first]
    assert len(others) == 345
    assert set(others.values()) == {suite.NOT_RUN}
    for test in others:
        assert f"see above: test_quant_accuracy/{'test_accuracy.py' if not parallel else ''}" in done.messages[test]
        assert first in done.messages[test]
    assert len(done.said.splitlines()) < 30


def test_of_several_models_only_the_wrong_one_is_not_measured(demo: DataPaths, tmp_path: Path) -> None:
    foreign.make(tmp_path, {"tests/test_hers.py": """
        def test_one(shards):
            assert shards


        def test_two(shards):
            assert shards
    """})

    done = foreign.run(tmp_path, "tests/", "--model", options.DEMO_CARD, "--model", options.REAL_CARD)

    right, wrong = f"{options.DEMO_CARD}-w8a8", f"{options.REAL_CARD}-w8a8"
    assert done.outcomes == {f"test_one[{right}]": suite.PASSED, f"test_two[{right}]": suite.PASSED,
                             f"test_one[{wrong}]": suite.ERROR, f"test_two[{wrong}]": suite.NOT_RUN}
    assert done.status == 2


def test_what_is_cheap_to_check_is_checked_before_tensorflow_is_imported(demo: DataPaths, tmp_path: Path) -> None:
    foreign.make(tmp_path, {"conftest.py": """
        import sys


        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"imported: {'tensorflow' in sys.modules}")
    """})

    done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy.test_accuracy", "--shards", "0-99")

    assert _SAID in done.said
    assert "imported: False" in done.said


def test_a_crash_of_the_engine_keeps_its_traceback_and_a_crash_of_a_test_is_its_own(demo: DataPaths,
                                                                                   tmp_path: Path) -> None:
    foreign.make(tmp_path, {"tests/conftest.py": """
        import pytest


        @pytest.fixture(scope="session")
        def annotations():
            return "not what the engine takes"
    """, "tests/test_hers.py": """
        def test_hers(model):
            raise ValueError("her own")


        def test_hers_again(model):
            raise ValueError("her own")


        def test_crash(evaluation):
            assert evaluation


        def test_crash_again(evaluation):
            assert evaluation
    """})

    done = foreign.run(tmp_path, "tests/", "--shards", "2")

    outcomes = [done.outcomes[f"{test}[{options.DEMO_CARD}-w8a8]"]
                for test in ("test_hers", "test_hers_again", "test_crash", "test_crash_again")]
    assert outcomes == [suite.FAILED, suite.FAILED, suite.ERROR, suite.NOT_RUN]
    assert "quant_accuracy/" in done.messages[f"test_crash[{options.DEMO_CARD}-w8a8]"]
    assert done.said.count("could not measure: AttributeError at ") == 1
    assert "this is a defect of the suite and no verdict" in done.said
    assert done.status == 2


def test_a_fixture_that_is_asked_for_while_a_test_runs_is_one_line_and_no_failure(demo: DataPaths,
                                                                                 tmp_path: Path) -> None:
    foreign.make(tmp_path, {"tests/test_hers.py": """
        def test_shards(request):
            assert request.getfixturevalue("shards")
    """})

    done = foreign.run(tmp_path, "tests/", "--shards", "0-99")

    assert done.status == 2, done.said
    assert done.said.count(_SAID) == 1
    assert "Traceback" not in done.said
