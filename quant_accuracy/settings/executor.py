"""Which executor the options choose, and what it cannot do; settled before TensorFlow is imported."""

import importlib.util
from dataclasses import dataclass
from typing import Optional

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings.options import LOCAL, RAY
from quant_accuracy.settings.values import Values

RAY_LOCAL = "local"


@dataclass(frozen=True)
class Choice:
    """An executor and its settings.

    Attributes:
        name: `local`, `processes` or `ray`.
        jobs: How many workers share the cores; None takes one for each core.
        ray_address: The cluster: `auto`, `HOST:PORT`, or `local` for one of this process alone.
        shard_timeout: Seconds after which a worker is taken to hang; None waits for ever.
    """

    name: str = LOCAL
    jobs: Optional[int] = None
    ray_address: str = RAY_LOCAL
    shard_timeout: Optional[float] = None


def of_values(values: Values) -> Choice:
    """The executor that the options choose.

    Raises:
        ConfigurationError: It cannot do what another option asks for, or is not installed.
    """
    name = values.get("executor") or LOCAL
    jobs, address, timeout = values.get("jobs"), values.get("ray_address"), values.get("shard_timeout")
    if name == LOCAL and jobs is not None:
        raise ConfigurationError("--jobs: --executor local is this process alone; set its cores with --threads, "
                                 "or use --executor processes")
    if name == LOCAL and timeout is not None:
        raise ConfigurationError("--shard-timeout: --executor local cannot give a shard up, it would have to kill "
                                 "itself; use --executor processes --jobs 1, or ray")
    if name != RAY and address is not None:
        raise ConfigurationError(f"--ray-address: --executor {name} uses no cluster; use --executor ray, "
                                 "or leave the address out")
    if name == RAY:
        require_ray()
    return Choice(name, jobs, address or RAY_LOCAL, timeout)


def ray_installed() -> bool:
    """Whether Ray can be imported."""
    return importlib.util.find_spec("ray") is not None


def require_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        ConfigurationError: It is not installed.
    """
    if not ray_installed():
        raise ConfigurationError("--executor ray: Ray is not installed; install it with "
                                 f"`{invocation.INSTALL_RAY}`, on every machine of the cluster")

