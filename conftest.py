"""Loads the plugin of this checkout where it is not installed."""

import pytest


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin as its entry point would have; `-p no:quant_accuracy` is respected."""
    if not pluginmanager.is_blocked("quant_accuracy"):
        pluginmanager.import_plugin("quant_accuracy.plugin")


def pytest_configure(config: pytest.Config) -> None:
    """In a folder of this checkout that has no tests, such as `docs`, run the gates, as at the top."""
    here = config.invocation_params.dir
    # What pytest takes where it is given nothing.
    if config.args == [str(here)] and not any(here.rglob("test_*.py")):
        config.args[:] = [str(config.rootpath / name) for name in config.getini("testpaths")]
