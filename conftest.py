"""Loads the plugin of this checkout."""

pytest_plugins = ["quant_accuracy.plugin"]
