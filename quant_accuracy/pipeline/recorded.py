"""The device variant from what a device has left: outputs of the network, or detections."""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence

from quant_accuracy.base import files
from quant_accuracy.detection.run import Detected
from quant_accuracy.device.exchange.raw_outputs import Left
from quant_accuracy.pipeline import recorded_detections, recorded_outputs
from quant_accuracy.pipeline import variant as variants
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.pipeline.recorded_detections import Recorded
from quant_accuracy.pipeline.variant import Variant


@dataclass(frozen=True)
class Source:
    """What a device has left, found to be of what is evaluated; one of both.

    Attributes:
        outputs: Outputs of the network; None where there are detections.
        detections: Detections.
    """

    outputs: Optional[Left] = None
    detections: Optional[Recorded] = None

    def notes(self) -> Sequence[str]:
        """What is worth a line and no verdict."""
        return () if self.detections is None else self.detections.notes

    def provenance(self, prepared: Prepared) -> Dict[str, Any]:
        """What the device's figures were measured from, JSON-like.

        Raises:
            DataError: A file of the outputs is missing or damaged.
        """
        if self.outputs is not None:
            return {"kind": "outputs", "bundle": files.digest_file(self.outputs.path),
                    "outputs": recorded_outputs.digest(prepared, self.outputs)}
        assert self.detections is not None
        return {"kind": "detections", "file": files.digest_file(self.detections.rows.path)}


def find(prepared: Prepared) -> Optional[Source]:
    """Find what a device has left, before anything is computed; None where the request names nothing.

    Raises:
        DataError: It is missing, damaged, or of another model or data set.
    """
    request = prepared.request
    if request.device_outputs is not None:
        return Source(outputs=recorded_outputs.find_outputs(prepared, request.device_outputs))
    if request.device_detections is not None:
        return Source(detections=recorded_detections.read(prepared, request.device_detections))
    return None


def detected(prepared: Prepared, source: Source) -> Optional[Detected]:
    """The detections of each shard, of outputs of the network; None where the device has left detections.

    Raises:
        DataError: A file of the outputs is missing or damaged; file and image are named.
    """
    return None if source.outputs is None else recorded_outputs.of_outputs(prepared, source.outputs)


def variant(prepared: Prepared, source: Source, found: Optional[Detected], simulated: Variant) -> Variant:
    """The device variant.

    Args:
        prepared: What is evaluated.
        source: What `find` found.
        found: What `detected` gave.
        simulated: The quantized variant.

    Raises:
        DataError: Detections are written in another form, or images were not run.
    """
    if found is not None:
        return variants.score(prepared, found)
    assert source.detections is not None
    return recorded_detections.score(prepared, source.detections, simulated)
