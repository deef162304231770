"""The figures stand for all images that they should stand for."""

from typing import TYPE_CHECKING, Callable, Mapping

from quant_accuracy.judging.verdicts import Verdict

if TYPE_CHECKING:
    from quant_accuracy.detection.run import Detected
    from quant_accuracy.pipeline.prepared import Prepared


def test_every_image_is_evaluated_once(prepared: "Prepared", detections: "Mapping[str, Detected]",
                                       settle: Callable[[Verdict], None]) -> None:
    settle(prepared.coverage(detections))
