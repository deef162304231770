"""The rootdir is the user's repository, and nothing that one of our options names."""

import shlex
from pathlib import Path

import pytest

from quant_accuracy.base import invocation
from quant_accuracy.settings import pytest_arguments


@pytest.hookimpl(tryfirst=True)  # type: ignore[misc]
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Refuse a rootdir that pytest found by the value of an option which it did not know yet.

    `pytest.ini`, cards and baselines of the user's repository would not be found.
    """
    given = early_config.invocation_params.args
    unmistakable = pytest_arguments.joined(given)
    here = early_config.invocation_params.dir
    if unmistakable == list(given) or early_config.known_args_namespace.rootdir or _is_project(early_config, here):
        return
    values = [value for value in given if value not in unmistakable and (here / value).exists()]
    if values:
        raise pytest.UsageError(
            f"{values[0]} was taken for a path of tests, and {early_config.rootpath} for the rootdir, because pytest "
            "looks for that before it knows our options; put an equals sign between option and value: "
            f"`{invocation.pytest()} {' '.join(map(shlex.quote, unmistakable))}`")


def _is_project(config: pytest.Config, here: Path) -> bool:
    """Whether the rootdir is what it would have been: the folder of the run, or a project around it."""
    root = config.rootpath
    return root == here or (root in here.parents and (config.inipath is not None or (root / "setup.py").exists()))
