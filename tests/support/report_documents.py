"""Documents of a report, as `contents` makes them, for the tests of what is drawn from them."""

import json
from typing import Any, Dict, List, Optional, Sequence

import jsonschema

from quant_accuracy.scoring.error_kinds import KINDS
from quant_accuracy.scoring.metrics import FIGURES
from tests.support.places import ROOT

SCHEMA = json.loads((ROOT / "quant_accuracy" / "reporting" / "document" / "report.schema.json").read_text(
    encoding="utf-8"))

DIGEST = 64 * "d"
RECALL = [index / 100 for index in range(101)]


def schema_errors(document: Any) -> List[str]:
    """What of a document the schema refuses."""
    # A document is what a program reads: tuples are lists there.
    read = json.loads(json.dumps(document))
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(read)]


def verdict(gate: str = "mAP_drop", **changes: Any) -> Dict[str, Any]:
    return {"gate": gate, "value": 0.01, "lower": None, "upper": 0.02, "outcome": "pass", "message": "well below",
            "interval": [0.008, 0.01234], "jitter": 0.000031, "figure": None, "kind": "gate",
            "known_failure": None, **changes}


def check(name: str = "weights_quantized", **changes: Any) -> Dict[str, Any]:
    return verdict(name, **{"value": None, "upper": None, "interval": None, "jitter": None, "kind": "check",
                            "message": "72 of 72 weights are quantized", **changes})


def variant(mean_ap: float, **per_class: Optional[float]) -> Dict[str, Any]:
    figures: Dict[str, Optional[float]] = {name: mean_ap + index / 100 for index, name in enumerate(FIGURES)}
    return {"figures": {**figures, "AP_small": None}, "per_class": per_class, "images": 40, "detections": 4000}


def curve(end: float) -> List[float]:
    """A precision that falls from 1 at recall 0, and is 0 beyond `end`."""
    return [round(1 - recall / 2, 4) if recall <= end else 0.0 for recall in RECALL]


def curves(*classes: str) -> Dict[str, Any]:
    def mean(end: float) -> Dict[str, Any]:
        return {"0.50": curve(end), "0.75": curve(end - 0.2), "0.50:0.95": curve(end - 0.3)}

    return {"recall": RECALL, "mean": {"float": mean(0.9), "quantized": mean(0.88)},
            "classes": {name: {"float": curve(0.8), "quantized": curve(0.75)} for name in classes}}


def confusion(*classes: str) -> Dict[str, Any]:
    """Each class is mostly found; of the first the quantized variant takes 5 more for the second."""
    none = len(classes)
    both = [[place, place, 20] for place in range(none)] + [[none, 0, 3], [0, none, 2]]
    return {"score": 0.3, "iou": 0.5, "classes": list(classes),
            "counts": {"float": [*both, [0, 1, 1]], "quantized": [*both, [0, 1, 6]]},
            "errors": {side: {classes[1]: {**dict.fromkeys(KINDS, 0), "classification": count}}
                       for side, count in (("float", 1), ("quantized", 6))}}


def calibration(last: float, error: float) -> Dict[str, Any]:
    """Of detections with a score of at least a half, as many in each tenth; of the last, so many are right."""
    return {"counts": [0] * 5 + [10] * 5, "scores": [None] * 5 + [0.55, 0.65, 0.75, 0.85, 0.95],
            "precisions": [None] * 5 + [0.5, 0.6, 0.6, 0.7, last], "error": error}


def quantizer(tensor: str, kind: str = "param", **changes: Any) -> Dict[str, Any]:
    return {"tensor": tensor, "kind": kind, "enabled": True, "bitwidth": 8, "symmetric": False,
            "rule": "defaults: params are quantized", "ranges": [[-0.5, 1.5]], **changes}


def quantizers() -> List[Dict[str, Any]]:
    return [quantizer("conv/weights:0", ranges=[[-0.25, 0.5], [-1.0, 0.125]]),
            quantizer("conv/bias:0", enabled=False, ranges=[], rule="params: bias"),
            quantizer("conv/Relu6:0", "activation", ranges=[[0.0, 6.0]], symmetric=True),
            quantizer("box/weights:0", bitwidth=4, ranges=[[-30.0, 20.0]])]


def distribution(tensor: str, **changes: Any) -> Dict[str, Any]:
    """Values from -1 to 3, most of them in the middle; the range ends at 2."""
    shares = [0.0] * 48
    shares[20:28] = [0.12] * 8
    shares[0] = shares[47] = 0.02
    return {"tensor": tensor, "low": -1.0, "high": 3.0, "shares": shares, "below": 0.0, "above": 0.02, "channels": [],
            **changes}


def why(**changes: Any) -> Dict[str, Any]:
    heard = [{"tensor": "box/weights:0", "layer": "box/Conv2D", "kind": "param", "bitwidth": 4, "sqnr": 11.26,
              "only_on": 21.0, "only_off": 31.5, "blame": 0.0085},
             {"tensor": "conv/Relu6:0", "layer": "conv/Relu6", "kind": "activation", "bitwidth": 8, "sqnr": 33.0,
              "only_on": 30.0, "only_off": 20.9, "blame": 0.0014},
             {"tensor": "conv/weights:0", "layer": "conv/Conv2D", "kind": "param", "bitwidth": 8, "sqnr": None,
              "only_on": None, "only_off": 20.0, "blame": 0.0}]
    return {
        "sensitivity": {"images": 16, "wanted_images": 16, "stable": False, "outputs": ["concat", "concat_1"],
                        "all_on": 20.0, "quantizers": heard, "families": [
                            {"name": "weights", "quantizers": 2, "only_on": 21.0, "only_off": 30.0, "blame": 0.0085},
                            {"name": "activations", "quantizers": 1, "only_on": 30.0, "only_off": 20.9,
                             "blame": 0.0014}]},
        "bisection": {"goal": "mAP drop at most 0.02", "name": "1 of 2 weights", "off": ["box/weights:0"], "mAP": 0.595,
                      "drop": 0.005, "met": True, "smallest": True, "note": "",
                      "trials": [{"name": "weights", "off": ["box/weights:0", "conv/weights:0"], "mAP": 0.597,
                                  "drop": 0.003, "met": True},
                                 {"name": "1 of 2 weights", "off": ["box/weights:0"], "mAP": 0.595, "drop": 0.005,
                                  "met": True}],
                      "raised": [{"name": "1 of 2 weights", "bitwidth": 8, "tensors": ["box/weights:0"], "off": [],
                                  "mAP": 0.591, "drop": 0.009, "met": True}]},
        "attribution": {"classes": [{"name": "dog", "drop": 0.05, "share": 0.61}],
                        "errors": [{"kind": "missed", "dap": 0.0151}],
                        "images": {"count": 2, "drop_without": 0.0042, "image_ids": [17, 4]}},
        "lines": ["box/weights:0 costs most of it", "it has 4 bits", "dog and missed objects suffer"],
        **changes,
    }


def depth(*worst: int, ops: int = 30) -> Dict[str, Any]:
    """A device's ops beside the simulation's; some of them, worst first, are not healthy."""
    def steps(most: float, mean: float, beyond: float = 0.0) -> Dict[str, Any]:
        return {"most": most, "mean": mean, "rms": mean * 1.5, "shift": -mean / 4, "beyond": beyond}

    return {"kind": "tflite", "runtime": "tflite of tensorflow 1.15.5", "images": 4, "left_out": ["padded"],
            "lines": ["2 of 30 ops differ by themselves", "accumulated, it grows"], "unhealthy": list(worst),
            "ops": [{"place": place, "type": "CONV_2D" if place else "INPUT", "tensor": f"bias_value_{place}:0",
                     "layer": f"block_{place}/Conv2D", "label": f"bias_value_{place}:0 of block_{place}/Conv2D",
                     "elements": 4000, "step": 0.02, "accumulated": steps(3.0 + place, 0.1 * (1 + place), 0.25),
                     "local": steps(7.0, 1.5, 0.031) if place in worst else steps(1.0, 0.004),
                     "healthy": place not in worst,
                     "causes": ["range differs: 0 .. 4 in the model, 0 .. 6 in the simulation"] * (place in worst)}
                    for place in range(ops)]}


def past_run(drop: Optional[float] = 0.01, *changed: str, day: int = 1) -> Dict[str, Any]:
    return {"time": f"2026-01-{day:02d}T12:34:56Z", "float_mAP": 0.6, "drop": drop, "images": 40, "shards": "0-3,7",
            "quantized_mAP": None if drop is None else 0.6 - drop, "changed": list(changed),
            "device_mAP": None, "device_drop": None}


def detected(box: Sequence[float], name: str, score: float, taken: Optional[int] = None, iou: float = 0.0,
             outcome: str = "") -> Dict[str, Any]:
    """A detection: right where it took an object, else wrong."""
    return {"box": list(box), "name": name, "score": score, "iou": iou, "object": taken,
            "outcome": outcome or ("wrong" if taken is None else "right")}


def changed_image(number: int, picture: str, **changes: Any) -> Dict[str, Any]:
    """A cat whose score falls, a dog that is lost, one that is found elsewhere, and a fox that nobody finds."""
    return {"image_id": number, "file_name": f"{number:012d}.jpg", "float": 0.9, "quantized": 0.4567, "device": None,
            "picture": picture, "width": 320, "height": 240, "score": 0.3,
            "objects": [{"box": [10, 20, 100, 80], "name": "cat", "crowd": False},
                        {"box": [150, 30, 60, 60], "name": "dog", "crowd": False},
                        {"box": [240, 150, 60, 60], "name": "dog", "crowd": False},
                        {"box": [20, 160, 40, 40], "name": "fox", "crowd": True}],
            "detections": {
                "float": [detected([10, 20, 100, 80], "cat", 0.9, 0, 1.0),
                          detected([150, 32, 60, 60], "dog", 0.7, 1, 0.93),
                          detected([240, 150, 60, 60], "dog", 0.6, 2, 1.0),
                          detected([100, 180, 40, 40], "fox", 0.1)],
                "quantized": [detected([12, 20, 100, 80], "cat", 0.8, 0, 0.96),
                              detected([225, 150, 60, 60], "dog", 0.58, 2, 0.6),
                              detected([100, 60, 50, 50], "fox", 0.4),
                              detected([150, 32, 60, 60], "dog", 0.2, 1, 0.93)]},
            **changes}


def device(missing: int = 0, **changes: Any) -> Dict[str, Any]:
    """What a report tells of a device that loses a little more than the simulation."""
    names = ("cat", "dog", "emu", "fox")
    ends: Dict[str, Any] = {name: [index / 1000, index / 1000 + 0.0123] for index, name in enumerate(FIGURES)}
    of_classes = {"cat": [0.001, 0.009], "dog": [-0.01, 0.03], "emu": None, "fox": None}
    return {
        "images": 40 - missing, "missing": missing,
        "metrics": {"float": variant(0.6, cat=0.5, dog=0.7, emu=None, fox=0.4),
                    "quantized": variant(0.58768, cat=0.49, dog=0.65, emu=None, fox=0.41),
                    "device": variant(0.58, cat=0.485, dog=0.64, emu=None, fox=0.40)},
        "unknown_categories": {}, "mAP_drop": 0.00768, "whole_mAP_drop": 0.02,
        "agreement": {"score": 0.3, "other_score": 0.15, "iou": 0.5, "share": 0.92, "interval": [0.9, 0.94],
                      "simulated": 250, "agreed": 230, "device": 245, "device_agreed": 228,
                      "lacking": {"lower score": 9, "other class": 2, "other place": 5, "gone": 4},
                      "mean_iou": 0.91, "mean_score_difference": -0.004, "large_score_difference": 0.08,
                      "classes": {"cat": {"simulated": 150, "agreed": 140}, "dog": {"simulated": 99, "agreed": 90},
                                  "17": {"simulated": 1, "agreed": 0}}},
        "parameters": {"counts": {"same": 7, "bias": 2, "fixed": 1},
                       "differing": [{"tensor": "end:0", "kind": "fixed", "op": "LOGISTIC", "scale": 0.00390625,
                                      "zero_point": 0, "wanted_scale": 0.0038, "wanted_zero_point": 0.0}]},
        "intervals": {"device": {**ends, "AP_small": None}, "drop": ends, "class_drop": of_classes,
                      "whole_drop": ends, "whole_class_drop": of_classes},
        "errors": {name: {"ap50": 0.8, "counts": dict.fromkeys(KINDS, 1240), "dap": {**dict.fromkeys(KINDS, dap),
                                                                                     "missed": None}}
                   for name, dap in (("device", 0.135), ("difference", 0.01))},
        "confusion": {**confusion("cat", "dog", "emu", "fox"), **{
            key: {"quantized": of["quantized"], "device": of["float"]}
            for key, of in confusion("cat", "dog", "emu", "fox").items() if key in ("counts", "errors")}},
        "calibration": {"quantized": calibration(0.8, 0.11), "device": calibration(0.7, 0.14)},
        "curves": {"recall": RECALL,
                   "mean": {"device": {"0.50": curve(0.85), "0.75": curve(0.66), "0.50:0.95": curve(0.55)}},
                   "classes": {name: {"device": None if name == "emu" else curve(0.7)} for name in names}},
        "changed_images": [], **changes,
    }


def document(**changes: Any) -> Dict[str, Any]:
    """A report without history, pictures and an answer to why."""
    ends = {name: [index / 1000, index / 1000 + 0.0123] for index, name in enumerate(FIGURES)}
    intervals = {**ends, "AP_small": None}
    return {
        "schema_version": 7,
        "model": "some_model",
        "images": 40,
        "shards": "0-3,7",
        "annotations": "/data/instances.json",
        "metrics": {"float": variant(0.6, cat=0.5, dog=0.7, emu=None, fox=0.4),
                    "quantized": variant(0.58768, cat=0.49, dog=0.65, emu=None, fox=0.41)},
        "unknown_categories": {"float": {}, "quantized": {}},
        "mAP_drop": 0.01232,
        "device": None,
        "intervals": {"resamples": 1000, "float": intervals, "quantized": intervals, "drop": intervals,
                      "class_drop": {"cat": [0.002, 0.018], "dog": [0.041, 0.059], "emu": None, "fox": None}},
        "verdicts": [verdict()],
        "notes": [],
        "errors": {name: {"ap50": 0.8, "counts": dict.fromkeys(KINDS, 1234), "dap": {**dict.fromkeys(KINDS, dap),
                                                                                     "missed": None}}
                   for name, dap in (("float", 0.11), ("quantized", 0.125), ("difference", 0.015))},
        "curves": {**curves("cat", "dog", "emu", "fox"),
                   "classes": {**curves("cat", "dog", "fox")["classes"], "emu": {"float": None, "quantized": None}}},
        "confusion": confusion("cat", "dog", "emu", "fox"),
        "calibration": {"float": calibration(0.9, 0.06), "quantized": calibration(0.8, 0.11)},
        "quantizers": quantizers(),
        "distributions": None,
        "snapshot": None,
        "batch_norms_left": [{"batch_norm": "tower/norm", "reason": "read twice"}],
        "changed_images": [],
        "why": None,
        "device_depth": None,
        "repair": None,
        "history": [],
        "provenance": {"batch_size": 1, "simulator": "builtin", "data": {"shards": {"val-00000": "12ab"}},
                       "checkpoint": {"model.ckpt.meta": DIGEST}, "seed": None},
        "run": {"command": "./run report --model 'some model.yaml'",
                "ended": "2026-01-09T12:34:56Z", "seconds": {"detect": 4.5},
                "images_per_second": {"float": 94.2, "quantized": None, "device": None},
                "machine": {"system": "Linux", "processor": "", "cores": 2, "python": "3.7.16"},
                "options": {"shards": None}, "retried": []},
        **changes,
    }


def everything() -> Dict[str, Any]:
    """A report with history, pictures (that are missing unless someone makes them), a retry and an answer to why."""
    retried = [{"shard": 3, "executor": "processes", "reason": "its process was killed (SIGKILL)"}]
    return document(why=why(), device_depth=depth(7, 3), run={**document()["run"], "retried": retried},
                    changed_images=[changed_image(number, f"images/{number}.jpg") for number in (17, 4)],
                    history=[past_run(day=1), past_run(0.03, "quantization.scheme", day=2), past_run(0.029, day=3)])


def large() -> Dict[str, Any]:
    """As large as reports get: 80 classes, 280 quantizers, all of them listened to."""
    classes = [f"class number {number}" for number in range(80)]
    names = [f"FeatureExtractor/MobilenetV2/expanded_conv_{number}/depthwise/depthwise_weights/read:0"
             for number in range(280)]
    heard = [{"tensor": name, "layer": name, "kind": "param", "bitwidth": 8, "sqnr": 30.0, "only_on": 20 + number / 10,
              "only_off": 19 - number / 1000, "blame": 0.01} for number, name in enumerate(names)]
    answer = why()
    answer["sensitivity"] = {**answer["sensitivity"], "quantizers": heard}
    answer["bisection"] = {**answer["bisection"], "off": names[:40]}
    return document(
        metrics={"float": variant(0.6, **{name: 0.5 + index / 1000 for index, name in enumerate(classes)}),
                 "quantized": variant(0.58, **dict.fromkeys(classes, 0.4))},
        curves=curves(*classes), confusion=confusion(*classes), why=answer,
        quantizers=[quantizer(name, ("param", "activation")[index % 2], ranges=[[-index / 3 - 0.1, index / 2 + 0.1]])
                    for index, name in enumerate(names)],
        history=[past_run(0.01 + number / 10000, *(["quantization.scheme"] if number % 7 == 0 else []),
                          day=number % 28 + 1) for number in range(300)])
