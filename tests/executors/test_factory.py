"""From the choice of an executor to the executor."""

import pytest

from quant_accuracy.executors import factory
from quant_accuracy.executors.local import LocalExecutor
from quant_accuracy.executors.processes import ProcessExecutor
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES


@pytest.mark.parametrize(("choice", "kind"), [(Choice(), LocalExecutor), (Choice(PROCESSES, jobs=2), ProcessExecutor)])
def test_an_executor_is_that_of_the_choice(choice: Choice, kind: type) -> None:
    assert type(factory.executor(choice, 1)) is kind
