"""The pytest plugin: options in, engine calls, records out; the work is done by the engine."""

_MODULES = ("options", "parameters", "parallel", "evaluation", "verdicts", "closing")
pytest_plugins = [f"quant_accuracy.plugin.{name}" for name in _MODULES]
