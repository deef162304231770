"""Where the device variant comes from. Read in every run of pytest, so that nothing large is imported here."""

from typing import Dict, List

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings.values import Values

# By option: one at most.
_SOURCES: Dict[str, str] = {"device": "--device", "device_outputs": "--device-outputs",
                            "device_detections": "--device-detections"}


def asked(values: Values) -> List[str]:
    """The options that name a source of the device variant: one, or none.

    Raises:
        ConfigurationError: Several sources are asked for, or what one device left for several models.
    """
    found = [flag for key, flag in _SOURCES.items() if values.get(key) is not None]
    if len(found) > 1:
        raise ConfigurationError(f"{' and '.join(found)}: the device variant has one source; give one of them")
    if len(values.models()) > 1 and found and found[0] != _SOURCES["device"]:
        raise ConfigurationError(f"{found[0]}: what a device left is of one model, and {len(values.models())} are "
                                 "named; name one with --model")
    return found
