"""The figures stand for all images that they should stand for."""

from typing import TYPE_CHECKING, Any, Callable, Mapping

from fixtures.verdicts import no_line
from quant_accuracy.data import coverage

if TYPE_CHECKING:
    from quant_accuracy.evaluation import Prepared
    from quant_accuracy.inference import Detected


def test_every_image_is_evaluated_once(prepared: "Prepared", detected: "Mapping[str, Detected]",
                                       measuring: Callable[[], Any]) -> None:
    with measuring():
        expected = prepared.expected_images()

    for variant, found in detected.items():
        evaluated = [image for _, part in found.parts for image in part.image_ids.tolist()]
        no_line(coverage.differences(expected, evaluated), f"images of the {variant} variant")
