"""A pytest plugin that breaks one function of the engine: `-p tests.mutations.plugin`, with `MUTATION=<a break>`.

What a break changes is kept apart in the cache: the digest of the code that its results are kept under is salted with
its name and with this file. What is merged and scored is not cached, so breaks of that need no salt.
"""

import importlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

import numpy as np
import pytest

VARIABLE = "MUTATION"
ACTIVATION = "FeatureExtractor/MobilenetV2/expanded_conv_7/depthwise/Relu6:0"
ADDITION = "FeatureExtractor/MobilenetV2/expanded_conv_7/add:0"
# The last one: the names of the biases that folding makes count from the first.
BATCH_NORM = "FeatureExtractor/MobilenetV2/layer_19_2_Conv2d_5_3x3_s2_44/BatchNorm/FusedBatchNormV3"
FEW_BITS = 4
# That of the demo's own suppression.
_AGNOSTIC_IOU = 0.6


class Break(NamedTuple):
    """A function of the engine whose result is changed.

    Attributes:
        module: The module.
        function: The name of the function there, or of a class and its method.
        change: From the right result to the wrong one.
        package: The package by whose code the cache tells that results are other ones; None where nothing is cached.
    """

    module: str
    function: str
    change: Callable[[Any], Any]
    package: Optional[str] = None


def _quantizer_with_few_bits(quantizers: Sequence[Any]) -> List[Any]:
    return [replace(item, bitwidth=FEW_BITS) if item.tensor == ACTIVATION else item for item in quantizers]


def _encoding_with_few_bits(quantization: Any) -> Any:
    coarse = [replace(item, bitwidth=FEW_BITS, scale=(item.maximum - item.minimum) / (2 ** FEW_BITS - 1))
              for item in quantization.encodings[ACTIVATION]]
    return replace(quantization, encodings={**quantization.encodings, ACTIVATION: tuple(coarse)})


def _switched_off(quantizers: Sequence[Any]) -> List[Any]:
    return [replace(item, enabled=False, rule="broken") if item.tensor == ADDITION else item for item in quantizers]


def _missing(quantizers: Sequence[Any]) -> List[Any]:
    return [item for item in quantizers if item.tensor != ADDITION]


def _black(images: Sequence[Any]) -> List[Any]:
    return [0 * image for image in images]


def _not_folded(match: Any) -> Any:
    return "broken" if not isinstance(match, str) and match.name == BATCH_NORM else match


def _channels_swapped(batch: Any) -> Any:
    return batch._replace(images=batch.images[..., ::-1])


def _axes_swapped(results: Any) -> Any:
    return replace(results, boxes=results.boxes[:, [1, 0, 3, 2]])


def _next_class(results: Any) -> Any:
    return replace(results, categories=results.categories + 1)


def _class_agnostic(images: Sequence[Any]) -> List[Any]:
    return [_of_any_class(found) for found in images]


def _of_any_class(found: Any) -> Any:
    """Detections of one image, best first, without those that overlap a better one of any class."""
    kept: List[int] = []
    for place, box in enumerate(found.boxes):
        others = found.boxes[kept]
        sides = (np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2])).clip(0)
        areas = [(boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) for boxes in (others, box)]
        common = sides.prod(axis=1)
        if not (common > _AGNOSTIC_IOU * (areas[0] + areas[1] - common)).any():
            kept.append(place)
    return found._replace(boxes=found.boxes[kept], scores=found.scores[kept], classes=found.classes[kept])


BREAKS = {
    "quantizer with few bits": Break("quantization.placement", "place_quantizers", _quantizer_with_few_bits,
                                     "quantization"),
    "encoding with few bits": Break("quantization.calibrate", "calibrate", _encoding_with_few_bits, "quantization"),
    "quantizer switched off": Break("quantization.placement", "place_quantizers", _switched_off, "quantization"),
    "quantizer missing": Break("quantization.placement", "place_quantizers", _missing, "quantization"),
    # Calibration alone reads images in this way, and only what it gives is kept under the code of quantization.
    "black calibration images": Break("data.images", "read_images", _black, "quantization"),
    "batch norm not folded": Break("folding.fold_match", "Matcher.behind", _not_folded, "folding"),
    "channels swapped": Break("data.images", "_decoded", _channels_swapped, "data"),
    "axes swapped": Break("detection.merge", "_results", _axes_swapped),
    # Suppression outside of the graph is verified against the graph's own: it is that which is broken, and then used.
    "class-agnostic": Break("detection.detector", "_own_detections", _class_agnostic, "detection"),
    "next class": Break("detection.merge", "_results", _next_class),
}


def pytest_configure() -> None:
    """Refuse a break that does not exist."""
    name = os.environ.get(VARIABLE)
    if name not in BREAKS:
        raise pytest.UsageError(f"{VARIABLE}={name}: there is no such break; use one of {', '.join(BREAKS)}")


def pytest_collection_finish() -> None:
    """Break the engine; nothing of it that needs TensorFlow has been imported before."""
    name = os.environ[VARIABLE]
    chosen = BREAKS[name]
    if chosen.package is not None:
        # First: the modules that import it by its name are not imported yet.
        _wrap("base.code", "code_digest", lambda right: _salted(right, name, str(chosen.package)))
    _wrap(chosen.module, chosen.function, lambda right: lambda *given, **named: chosen.change(right(*given, **named)))


def _wrap(module: str, function: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    owner: Any = importlib.import_module(f"quant_accuracy.{module}")
    *classes, name = function.split(".")
    for each in classes:
        owner = getattr(owner, each)
    setattr(owner, name, wrapped(getattr(owner, name)))


def _salted(right: Callable[..., str], name: str, package: str) -> Callable[..., str]:
    from quant_accuracy.base import files

    salt = [name, files.digest_file(Path(__file__))]
    return lambda *packages: files.digest_value([right(*packages), *salt]) if package in packages else right(*packages)
