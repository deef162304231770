"""Detectors of the Object Detection API, from their pipeline.config to the export that AIMET's user would get.

Small ones with random weights, whose ground truth is what their float form finds, and a real one that was trained.
"""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from quant_accuracy.freezing import load
from quant_accuracy.preparation import pipeline_config
from quant_accuracy.quantization.records import PARAM
from quant_accuracy.settings import card
from quant_accuracy.settings.card import DataPaths
from tests.support import detectors, lanes, pedestrian, suite, whole_flow
from tests.support.detectors import Detector
from tests.support.whole_flow import OUTPUTS, Walked

pytestmark = lanes.needs_object_detection

# Its convolutions share kernels. The demo is a detector whose convolutions do not, as the others of the list.
_QUICK = "ssd_mobilenet_v1_fpn"
_EVERY = [name if name == _QUICK else pytest.param(name, marks=pytest.mark.soak) for name in detectors.NAMES]
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_IMAGES = 4


@pytest.fixture(scope="module", params=_EVERY)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    folder = tmp_path_factory.mktemp(request.param)
    return detectors.export(detectors.small_pipeline(request.param, folder), folder)


@pytest.fixture(scope="module")
def walked(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Walked:
    folder = tmp_path_factory.mktemp("flow")
    data = detectors.data_set(detector, folder / "data", _IMAGES)
    name = detector.config.stem
    return whole_flow.walk(whole_flow.card(folder / f"small_{name}.yaml", f"{name}_coco", data, detector.side), folder)


def _network(detector: Detector) -> tf.GraphDef:
    """What its outputs need, as TensorFlow's own exporter froze it."""
    return load.load_frozen(detector.exported.prefix, OUTPUTS)


def test_a_detector_is_checked_reported_and_finds_what_its_checkpoint_finds(walked: Walked) -> None:
    assert (walked.checked, walked.reported) == (0, 0)
    # Its detections, found by a session on the checkpoint alone, are the ground truth.
    assert walked.mAP("float") == pytest.approx(1.0, abs=1e-6)
    assert walked.mAP("quantized") > 0.1
    assert [verdict["name"] for verdict in walked.document["verdicts"] if verdict["outcome"] == "fail"] == []


def test_every_batch_norm_of_a_detector_is_folded_and_every_kernel_quantized(detector: Detector,
                                                                             walked: Walked) -> None:
    network = _network(detector)
    kernels = {node.input[1] for node in network.node if node.op in _CONVOLUTIONS}
    norms = [node for node in network.node if node.op.startswith("FusedBatchNorm")]
    shared = _behind_shared_kernels(network)

    assert walked.folded == len(norms)
    assert walked.document["batch_norms_left"] == []
    weights = [one for one in walked.quantizers if one["kind"] == PARAM and one["role"] == "weight" and one["enabled"]]
    # A kernel of several convolutions becomes one for each whose batch norm scales it in its own way.
    assert len(weights) == len(kernels) + len(shared) - len({kernel for _, kernel in shared})


def _behind_shared_kernels(network: tf.GraphDef) -> Set[Any]:
    """The convolutions with a batch norm whose kernels others read too, each with its kernel."""
    nodes = {node.name: node for node in network.node}
    readers: Dict[str, List[str]] = {}
    for node in network.node:
        if node.op in _CONVOLUTIONS:
            readers.setdefault(node.input[1], []).append(node.name)
    found = set()
    for norm in (node for node in network.node if node.op.startswith("FusedBatchNorm")):
        before = nodes[norm.input[0]]
        while before.op == "Identity":
            before = nodes[before.input[0]]
        if len(readers[before.input[1]]) > 1:
            found.add((before.name, before.input[1]))
    return found


def test_all_gates_and_checks_of_a_detector_can_be_run_and_none_is_red(walked: Walked, tmp_path: Path) -> None:
    done = suite.run(tmp_path, "--model", str(walked.card), "--cache-dir", str(walked.cache))

    assert done.status == 0, done.said
    assert list(done.outcomes.values()).count(suite.PASSED) == 12


def test_the_exported_quantsim_restores_to_the_folded_detector(detector: Detector, walked: Walked) -> None:
    names = {"model.meta", "model.index", "model.data-00000-of-00001", "model.encodings", "checkpoint"}
    assert names <= {path.name for path in walked.quantsim.iterdir()}
    image = np.random.RandomState(0).randint(0, 256, (1, detector.side, detector.side, 3)).astype(np.uint8)

    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(str(walked.quantsim / "model.meta")).restore(session, str(walked.quantsim / "model"))
        restored = session.run([f"{name}:0" for name in OUTPUTS], {"image_tensor:0": image})
        tensors = {f"{operation.name}:0" for operation in session.graph.get_operations()}

    (before,) = whole_flow.outputs(_network(detector), [image])
    # Folding rounds in another order.
    assert all(np.abs(one - other).max() < 1e-3 * np.abs(other).max() for one, other in zip(restored, before))
    exported = json.loads((walked.quantsim / "model.encodings").read_text())
    listed = {*exported["activation_encodings"], *exported["param_encodings"]}
    assert listed == {one["tensor"] for one in walked.quantizers if one["enabled"]}
    assert listed <= tensors


@pytest.mark.soak
def test_a_detector_whose_images_keep_their_aspect_ratio_goes_the_whole_way(tmp_path: Path) -> None:
    from object_detection.protos import image_resizer_pb2

    config = detectors.small_pipeline("ssd_mobilenet_v1", tmp_path)
    pipeline = pipeline_config.load(config)
    pipeline.model.ssd.image_resizer.keep_aspect_ratio_resizer.CopyFrom(
        image_resizer_pb2.KeepAspectRatioResizer(min_dimension=200, max_dimension=400))
    config.write_text(text_format.MessageToString(pipeline))
    detector = detectors.export(config, tmp_path)
    data = detectors.data_set(detector, tmp_path / "data", _IMAGES)

    walked = whole_flow.walk(whole_flow.card(tmp_path / "kept.yaml", "ssd_mobilenet_v1_coco", data, 0), tmp_path)

    assert (walked.checked, walked.reported) == (0, 0)
    assert walked.mAP("float") == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", detectors.NAMES)
def test_each_detector_has_a_shipped_card_for_the_images_of_its_pipeline(name: str) -> None:
    size = pipeline_config.load(detectors.pipeline(name)).model.ssd.image_resizer.fixed_shape_resizer

    found = card.load(f"{name}_coco")

    assert (found.height, found.width) == (size.height, size.width)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return pedestrian.export(tmp_path_factory.mktemp("pedestrian"))


@pytest.fixture(scope="module")
def photographs() -> List[np.ndarray]:
    return pedestrian.photographs()


@pedestrian.needed
def test_a_frozen_graph_restores_bit_for_bit_into_an_exported_checkpoint(real: Detector,
                                                                         photographs: List[np.ndarray]) -> None:
    frozen, exported = pedestrian.read(), tf.GraphDef()
    exported.ParseFromString(real.exported.frozen.read_bytes())
    names = (*OUTPUTS, "detection_boxes", "detection_scores", "detection_classes", "num_detections")

    theirs, ours = (whole_flow.outputs(graph, photographs, names) for graph in (frozen, exported))

    for their, our in zip(theirs, ours):
        assert all(np.array_equal(one, other) for one, other in zip(their, our))
        # It is the photograph of a person.
        assert our[names.index("detection_scores")][0, 0] > 0.85


@pytest.fixture(scope="module")
def photograph_data(real: Detector, tmp_path_factory: pytest.TempPathFactory) -> DataPaths:
    return pedestrian.data_set(real, tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def quantize(real: Detector, photograph_data: DataPaths,
             tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Walked]:
    """Takes the real detector the whole way, its weights quantized to some bits."""
    folder, done = tmp_path_factory.mktemp("real"), {}

    def walk(bits: int) -> Walked:
        if bits not in done:
            chosen = whole_flow.card(folder / f"pedestrian_w{bits}.yaml", "ssdlite_mobilenet_v2_coco", photograph_data,
                                   real.side, param_bitwidth=bits)
            done[bits] = whole_flow.walk(chosen, folder)
        return done[bits]

    return walk


@pedestrian.needed
def test_a_real_detector_keeps_its_detections_at_8_bits(quantize: Callable[[int], Walked]) -> None:
    walked = quantize(8)

    assert (walked.checked, walked.reported) == (0, 0)
    assert walked.folded == 76
    assert walked.mAP("float") == pytest.approx(1.0, abs=1e-6)
    assert walked.mAP("quantized") > 0.9


@pedestrian.needed
@pytest.mark.soak
def test_a_real_detector_loses_detections_where_its_weights_have_5_bits(real: Detector,
                                                                        quantize: Callable[[int], Walked]) -> None:
    noise = {bits: np.mean(pedestrian.noise(real, quantize(bits))) for bits in (8, 5)}

    assert quantize(5).mAP("quantized") < 0.7
    # Three bits less are 18 dB in the weights alone; what is left of 8 bits is mostly noise of activations.
    assert noise[8] > 11
    assert noise[5] < 8
