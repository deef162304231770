"""The pytest plugin: options in, engine calls, records out; the work is done by the engine.

Loaded by its entry point, and where pytest loads none, with `-p quant_accuracy.plugin`. A repository that uses nothing
of it pays next to nothing: no module imports the engine before a test asks for a fixture.

PYTEST_DONT_REWRITE: importing the entry point imports this package, and pytest would warn, where it does not know the
files of an installation (`pip install -e`), that it came too late to rewrite asserts of which there are none here.
"""

from typing import Any

_MODULES = ("rootdir", "options", "parameters", "order", "fixtures", "verdicts", "parallel", "live", "foreign_warnings",
            "not_measured", "exit_status", "summary", "no_tests")
pytest_plugins = [f"quant_accuracy.plugin.{name}" for name in _MODULES]


def pytest_addoption(pluginmanager: Any) -> None:
    """Let pytest rewrite the asserts of the plugin alone: those of all the engine would take long at every start."""
    packages = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if isinstance(packages, set) and "quant_accuracy" in packages:
        packages.remove("quant_accuracy")
        packages.add("quant_accuracy.plugin")
