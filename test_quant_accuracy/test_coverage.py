"""The figures stand for all images that they should stand for."""

from typing import TYPE_CHECKING, Any, Callable, Mapping

from quant_accuracy.judging.verdicts import Verdict

if TYPE_CHECKING:
    from quant_accuracy.detection.run import Detected
    from quant_accuracy.pipeline.prepared import Prepared


def test_every_image_is_evaluated_once(prepared: "Prepared", detected: "Mapping[str, Detected]",
                                       measuring: Callable[[], Any], hold: Callable[[Verdict], None]) -> None:
    with measuring():
        verdict = prepared.coverage(detected)

    hold(verdict)
