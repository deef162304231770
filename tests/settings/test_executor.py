"""Options of executors that contradict each other."""

from typing import Dict

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import executor
from quant_accuracy.settings.options import PROCESSES, RAY
from quant_accuracy.settings.values import Values


@pytest.mark.parametrize(("given", "message"), [
    ({"jobs": 2}, "--jobs: .* use --executor processes"),
    ({"shard_timeout": 5.0}, "--shard-timeout: --executor local cannot give a shard up"),
    ({"ray_address": "auto"}, "--ray-address: --executor local uses no cluster"),
    ({"executor": PROCESSES, "ray_address": "auto"}, "--ray-address: --executor processes uses no cluster"),
])
def test_what_an_executor_cannot_do_is_refused(given: Dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        executor.of_values(Values(given))


def test_without_ray_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "ray_installed", lambda: False)

    with pytest.raises(ConfigurationError, match=r"Ray is not installed; install it with `.*ray"):
        executor.of_values(Values({"executor": RAY}))
