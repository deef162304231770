"""The third variant: what a device does with the integer model, from whichever source was asked for."""

from typing import Any, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.words import DEVICE
from quant_accuracy.detection.run import Detected, Run
from quant_accuracy.device import contract
from quant_accuracy.pipeline import recorded, variant
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.recorded import Source
from quant_accuracy.pipeline.variant import Variant


def runs(artifacts: Artifacts) -> List[Run]:
    """The runs of an integer model on this suite's own executors; none where it runs elsewhere, or there is none."""
    return [] if artifacts.device is None else [Run(DEVICE)]


def of_left(prepared: Prepared, source: Optional[Source]) -> Dict[str, Detected]:
    """The detections that follow from outputs which a device left, by variant; none without them.

    Args:
        prepared: What is evaluated.
        source: What `recorded.find` found.

    Raises:
        DataError: A file of the outputs is missing or damaged.
    """
    found = None if source is None else recorded.detected(prepared, source)
    return {} if found is None else {DEVICE: found}


def of_sources(prepared: Prepared, detected: Mapping[str, Detected], simulated: Variant) -> Optional[Variant]:
    """The device variant; None where none was asked for.

    Args:
        prepared: What is evaluated.
        detected: The detections by variant.
        simulated: The quantized variant.

    Raises:
        DataError: A shard or an image is missing or there twice, or is unknown to the annotations; or detections that a
            device left cannot be used.
    """
    if DEVICE in detected:
        return variant.score(prepared, detected[DEVICE])
    source = recorded.find(prepared)
    return None if source is None else recorded.variant(prepared, source, None, simulated)


def notes(prepared: Prepared) -> Sequence[str]:
    """What is worth a line and no verdict: of what a device left, or of what the converter did on its own."""
    source, device = recorded.find(prepared), prepared.artifacts.device
    if source is not None:
        return source.notes()
    return () if device is None else contract.of(device.kind).notes(device.folder)


def provenance(prepared: Prepared) -> Dict[str, Any]:
    """What the device's figures were measured from, besides what all figures were; empty without a device."""
    source, device = recorded.find(prepared), prepared.artifacts.device
    if source is not None:
        return {"device": source.provenance(prepared)}
    if device is None:
        return {}
    return {"device": {"kind": device.kind, "runtime": device.identity,
                       "model": files.digest_file(device.folder / contract.of(device.kind).model)}}
