"""What the plugin does under pytest-xdist, and leaves alone."""

from pathlib import Path

from tests.support import foreign

_DIES = """
    import os
    from pathlib import Path

    def test_dies():
        Path("log").open("a").write("ran\\n")
        os._exit(3)
"""


def test_a_test_of_somebody_else_that_kills_its_worker_is_red_and_not_run_again(tmp_path: Path) -> None:
    repository = foreign.make(tmp_path, {"test_hers.py": _DIES})

    done = foreign.run(repository, "-n", "1", shared_cache=False)

    assert done.status == 1, done.said
    assert "crashed while running 'test_hers.py::test_dies'" in done.said
    assert (repository / "log").read_text() == "ran\n"
