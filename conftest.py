"""Options and fixtures of the suite; the work is done by the engine."""

pytest_plugins = ["fixtures.options", "fixtures.parameters", "fixtures.parallel", "fixtures.evaluation",
                  "fixtures.verdicts", "fixtures.closing"]
