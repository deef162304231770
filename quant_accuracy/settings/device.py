"""Which integer model is measured besides; what it cannot express is refused before TensorFlow is imported."""

import importlib.util
from typing import Optional

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import OPENVINO, OPENVINO_INT8
from quant_accuracy.settings import device_source
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.card_fields import ORIGINAL_SIZE
from quant_accuracy.settings.values import Values

_BITS = 8


def chosen(card: ModelCard, values: Values) -> Optional[str]:
    """The integer model to make for a card; None for none.

    What is asked for by an option overrules the card.

    Raises:
        ConfigurationError: Several sources are asked for.
    """
    found: Optional[str] = values.get("device") if device_source.asked(values) else card.device
    return found


def require(card: ModelCard) -> None:
    """Refuse what a card's integer model cannot express, as far as the card alone says it.

    Raises:
        ConfigurationError: It is refused; the message names the setting.
    """
    if card.device is None:
        return
    what = f"{card.name}: --device {card.device}"
    if card.device == OPENVINO_INT8 and importlib.util.find_spec(OPENVINO) is None:
        raise ConfigurationError(f"{what}: OpenVINO is not installed; install it with `{invocation.INSTALL_OPENVINO}`, "
                                 "or use --device tflite")
    without = "or measure without a device"
    if card.height == ORIGINAL_SIZE:
        raise ConfigurationError(f"{what}: an integer model takes images of one size; give height and width instead "
                                 f"of input: {{resize: false}} in the model card, {without}")
    settings = card.quantization
    for bits, name, flag in ((settings.param_bitwidth, "param_bitwidth", "--default-param-bw"),
                             (settings.output_bitwidth, "output_bitwidth", "--default-output-bw")):
        if bits != _BITS:
            raise ConfigurationError(f"{what}: its kernels take {_BITS} bits, and quantization: {name} ({flag}) is "
                                     f"{bits}; set it to {_BITS}, {without}")
    wide = [override for override in settings.overrides if override.bitwidth not in (None, _BITS)]
    if wide:
        raise ConfigurationError(f"{what}: its kernels take {_BITS} bits, and quantization: overrides gives "
                                 f"{wide[0].tensors!r} {wide[0].bitwidth}; set them to {_BITS}, {without}")
    if settings.configuration.per_channel:
        raise ConfigurationError(f"{what}: a weight has one encoding in its integer model; set "
                                 f"per_channel_quantization in the quantizer configuration to False, {without}")
