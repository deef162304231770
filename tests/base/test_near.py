"""Names are suggested where they are near, and only there."""

from typing import List

import pytest

from quant_accuracy.base.near import near

_OPS = ["image_tensor", "concat", "concat_1", "detection_boxes", "detection_scores",
        "FeatureExtractor/MobilenetV2/MobilenetV2/input", "FeatureExtractor/MobilenetV2/Conv/Relu6",
        "FeatureExtractor/MobilenetV2/Conv/BatchNorm/gamma"]
_KEYS = ["name", "graph", "input", "quantization", "calibration", "gates", "data", "mAP_drop", "Conv", "Relu"]


@pytest.mark.parametrize(("name", "known", "meant"), [
    ("calibrations", _KEYS, ["calibration"]),
    ("mAP_dorp", _KEYS, ["mAP_drop"]),
    ("ReLU", _KEYS, ["Relu"]),
    ("Convolution", _KEYS, ["Conv"]),
    ("detection_box", _OPS, ["detection_boxes"]),
    ("concat_2", _OPS, ["concat_1", "concat"]),
    ("MobilenetV2/input", _OPS, ["FeatureExtractor/MobilenetV2/MobilenetV2/input"]),
    ("FeatureExtractor/MobilenetV2/Conv/Relu", _OPS, ["FeatureExtractor/MobilenetV2/Conv/Relu6"]),
    # Of the same scope, or alike in some letters only.
    ("FeatureExtractor/MobilenetV2/Conv/pointwise", _OPS, []),
    ("FeatureExtractor/MobilenetV2/expanded_conv/weights/read", _OPS, []),
    ("notes", _KEYS, []),
    ("output", _KEYS, []),
    ("", _KEYS, []),
    ("x" * 100000, _KEYS, []),
])
def test_a_name_is_suggested_where_it_is_near(name: str, known: List[str], meant: List[str]) -> None:
    assert near(name, known, 3) == meant
