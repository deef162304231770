"""The third variant: what a device does with the integer model, from whichever source was asked for."""

from typing import Any, Dict, List, Mapping, Optional

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.words import DEVICE
from quant_accuracy.detection.run import Detected, Run
from quant_accuracy.device import contract
from quant_accuracy.pipeline import variant
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.variant import Variant


def runs(artifacts: Artifacts) -> List[Run]:
    """The runs of an integer model on this suite's own executors; none where it runs elsewhere, or there is none."""
    return [] if artifacts.device is None else [Run(DEVICE)]


def of_sources(prepared: Prepared, detected: Mapping[str, Detected]) -> Optional[Variant]:
    """The device variant; None where none was asked for.

    Raises:
        DataError: A shard or an image is missing or there twice, or is unknown to the annotations.
    """
    if DEVICE in detected:
        return variant.score(prepared, detected[DEVICE])
    return None


def provenance(artifacts: Artifacts) -> Dict[str, Any]:
    """What the device's figures were measured from, besides what all figures were; empty without a device."""
    device = artifacts.device
    if device is None:
        return {}
    return {"device": {"kind": device.kind, "runtime": device.identity,
                       "model": files.digest_file(device.folder / contract.of(device.kind).model)}}
