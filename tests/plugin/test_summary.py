"""The summary at the end of a run."""

from pathlib import Path

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign

_HEADING = " quant accuracy ="


def test_in_a_repository_that_uses_nothing_of_the_plugin_it_imports_and_tells_nothing(tmp_path: Path) -> None:
    foreign.make(tmp_path, {"conftest.py": """
        import sys


        def pytest_terminal_summary(terminalreporter):
            heavy = {"tensorflow", "numpy", "yaml", "PIL", "rich", "quant_accuracy.pipeline", "quant_accuracy.judging"}
            terminalreporter.write_line(f"imported: {sorted(heavy & set(sys.modules))}")
    """, "tests/test_hers.py": "def test_hers():\n    assert False\n"})

    done = foreign.run(tmp_path, "tests/", shared_cache=False)

    assert "imported: []" in done.said
    assert _HEADING not in done.said
    assert done.status == 1


def test_errors_of_collection_are_not_told_as_a_run_that_was_stopped(tmp_path: Path) -> None:
    foreign.make(tmp_path, {"tests/test_hers.py": "import no_such_module\n"})

    done = foreign.run(tmp_path, "tests/", shared_cache=False)

    assert "no_such_module" in done.said
    assert _HEADING not in done.said


def test_a_baseline_that_could_not_be_measured_is_told_as_that(demo: DataPaths, tmp_path: Path) -> None:
    foreign.make(tmp_path, {})

    done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy.test_encodings", "--update-baselines",
                       f"--baseline-dir={tmp_path}/new", "--model", "ssd_mobilenet_v2_demo",
                       "--TFRecord-file-pattern", "no_such_file-*")

    assert "no baseline was written: what it is made of could not be measured, see above" in done.said
    assert "none of the selected tests" not in done.said
    assert done.status == 2
