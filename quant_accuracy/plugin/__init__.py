"""The pytest plugin: options in, engine calls, records out; the work is done by the engine.

Loaded by its entry point or with `-p quant_accuracy.plugin`. A repository that uses nothing of it pays next to nothing:
no module imports the engine before a test asks for a fixture.
"""

_MODULES = ("options", "parameters", "fixtures", "verdicts", "parallel", "foreign_warnings", "not_measured",
            "exit_status", "summary")
pytest_plugins = [f"quant_accuracy.plugin.{name}" for name in _MODULES]
