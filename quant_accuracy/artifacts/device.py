"""The integer model of a simulation, made once."""

from dataclasses import replace
from pathlib import Path

from quant_accuracy.artifacts.records import Artifacts, DeviceModel
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.code import code_digest
from quant_accuracy.base.words import NETWORK
from quant_accuracy.device import contract
from quant_accuracy.device.job import Job
from quant_accuracy.settings.card import ModelCard


def with_model(artifacts: Artifacts, card: ModelCard, cache: Cache) -> Artifacts:
    """The artifacts with the integer model that the card asks for, if it asks for one.

    Raises:
        ConfigurationError: The integer model cannot express the quantization.
        UnsupportedError: The network cannot be converted.
    """
    if card.device is None:
        return artifacts
    kind = contract.of(card.device)
    kind.check(artifacts.quantization)
    identity = kind.identity()
    inputs = {
        # Named by the network, its quantization and the images that calibrated it.
        "quantsim": artifacts.quantsim_folder.name,
        "kind": card.device,
        "identity": identity,
        "size": [card.height, card.width],
        "code": code_digest("graph", "runtimes", "freezing", "quantization", "device"),
    }

    def make(folder: Path) -> None:
        kind.build(Job(artifacts.graph(NETWORK), card.graph, artifacts.quantization, card.height, card.width, folder))

    folder = cache.folder("device", inputs, f"making the integer model ({card.device})", make)
    return replace(artifacts, device=DeviceModel(card.device, identity, folder))
