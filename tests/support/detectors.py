"""Detectors of the Object Detection API with random weights, and images whose ground truth is what they detect.

A detector that was never trained finds nothing that is there. What its float form finds is the ground truth here: then
the float mAP is 1, and the quantized mAP says how far quantization moves the detections.
"""

import json
import zlib
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

from quant_accuracy.demo import dataset
from quant_accuracy.preparation import checkpoint, coco_tfrecords, pipeline_config
from quant_accuracy.settings.card import DataPaths
from tests.support.places import ROOT

PIPELINES = ROOT / "tests" / "support" / "pipelines"
# Shipped cards are named after these, with `_coco` behind.
NAMES = ("ssdlite_mobilenet_v2", "ssd_mobilenet_v1", "ssd_inception_v2", "ssd_mobilenet_v1_fpn", "ssd_resnet50_fpn")
_SEED = 15
_OBJECTS_PER_IMAGE = 8


class Detector(NamedTuple):
    """A detector that was exported.

    Attributes:
        config: Its pipeline.config.
        exported: What `export-checkpoint` made of it.
        side: Height and width of its images; 0 where it takes them as they are.
    """

    config: Path
    exported: checkpoint.Exported
    side: int


def pipeline(name: str) -> Path:
    """The pipeline.config of a detector as it is published."""
    return PIPELINES / f"{name}.config"


def small_pipeline(name: str, folder: Path) -> Path:
    """The same network at a quarter of its width, for four classes, and a pyramid of 192 pixels: built in seconds."""
    config = pipeline_config.load(pipeline(name))
    ssd = config.model.ssd
    ssd.num_classes = 4
    ssd.feature_extractor.depth_multiplier = 0.25
    if ssd.feature_extractor.HasField("fpn"):
        ssd.feature_extractor.fpn.additional_layer_depth = 64
        ssd.box_predictor.weight_shared_convolutional_box_predictor.depth = 64
        ssd.image_resizer.fixed_shape_resizer.height = ssd.image_resizer.fixed_shape_resizer.width = 192
    path = folder / f"{name}.config"
    path.write_text(text_format.MessageToString(config))
    return path


def random_checkpoint(config_file: Path, prefix: Path) -> Path:
    """A training checkpoint of seeded values; each depends on the name of its variable alone."""
    with tf.Graph().as_default(), tf.Session() as session:
        model = pipeline_config.build_model(pipeline_config.load(config_file), is_training=False)
        model.predict(*model.preprocess(tf.zeros([1, 64, 64, 3])))
        variables = tf.global_variables()
        session.run(tf.global_variables_initializer(),
                    {variable.initializer.inputs[1]: _values(variable) for variable in variables})
        tf.train.Saver(variables).save(session, str(prefix), write_meta_graph=False)
    return prefix


def _values(variable: tf.Variable) -> np.ndarray:
    name, shape = variable.op.name, variable.shape.as_list()
    random = np.random.RandomState(zlib.crc32(f"{_SEED} {name}".encode()))
    if variable.dtype.base_dtype != tf.float32:
        return np.zeros(shape, variable.dtype.base_dtype.as_numpy_dtype)
    if name.endswith("weights"):
        # He et al. 2015: activations neither vanish nor explode on their way.
        found = random.normal(0.0, np.sqrt(2.0 / np.prod(shape[:2 if "depthwise" in name else -1])), shape)
    elif name.endswith("gamma"):
        found = random.uniform(0.7, 1.3, shape)
    elif name.endswith("moving_variance"):
        found = random.uniform(0.5, 2.0, shape)
    elif name.endswith("ClassPredictor/biases"):
        found = random.normal(-2.0, 0.5, shape)
    else:
        found = random.normal(0.0, 0.2, shape)
    return np.asarray(found, np.float32)


def export(config_file: Path, folder: Path) -> Detector:
    """Export a random training checkpoint of a configuration into `folder`."""
    trained = random_checkpoint(config_file, folder / "trained")
    resizer = pipeline_config.load(config_file).model.ssd.image_resizer
    side = resizer.fixed_shape_resizer.height if resizer.HasField("fixed_shape_resizer") else 0
    return Detector(config_file, checkpoint.export(config_file, trained, folder / "exported"), side)


def data_set(detector: Detector, folder: Path, count: int, shards: int = 2) -> DataPaths:
    """Draw images, annotated with what the float detector finds in them."""
    images, annotations = dataset.write_coco(folder, count, _SEED, crowds=False)
    return own_ground_truth(detector, images, annotations, folder, shards)


def own_ground_truth(detector: Detector, images: Path, annotations: Path, folder: Path, shards: int = 2,
                     objects_per_image: int = _OBJECTS_PER_IMAGE) -> DataPaths:
    """Write TFRecords of images whose annotations are what the float detector finds in them.

    One score is the threshold for all images, so that whatever is found above it is there, and the float mAP is 1.

    Args:
        detector: The detector.
        images: Folder of the images.
        annotations: Lists the images; what it says of objects is replaced.
        folder: Where the TFRecords are written.
        shards: How many.
        objects_per_image: How many objects an image has on average.
    """
    document = json.loads(annotations.read_text(encoding="utf-8"))
    found = detections(detector, images, document["images"])
    found.sort(key=lambda one: -float(one["score"]))
    document["annotations"] = [dict(one, id=index, iscrowd=0, area=one["bbox"][2] * one["bbox"][3]) for index, one
                               in enumerate(found[:objects_per_image * len(document["images"])], 1)]
    classes = sorted({one["category_id"] for one in document["annotations"]})
    document["categories"] = [{"id": each, "name": f"class {each}"} for each in classes]
    annotations.write_text(json.dumps(document), encoding="utf-8")
    coco_tfrecords.convert(images, annotations, folder / "val.record", shards)
    return DataPaths(detector.exported.prefix, folder, f"val.record-*-of-{shards:05d}", annotations)


def detections(detector: Detector, folder: Path, images: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """What a checkpoint detects, in COCO's results form; nothing of the engine takes part."""
    found: List[Dict[str, Any]] = []
    with tf.Graph().as_default(), tf.Session() as session:
        content = tf.placeholder(tf.string, [])
        decoded = tf.image.decode_image(content, channels=3)
        decoded.set_shape([None, None, 3])
        side = detector.side
        resized = tf.cast(tf.image.resize_images(decoded, [side, side]), tf.uint8) if side else decoded
        saver = tf.train.import_meta_graph(f"{detector.exported.prefix}.meta")
        saver.restore(session, str(detector.exported.prefix))
        for image in images:
            pixels = session.run(resized, {content: (folder / image["file_name"]).read_bytes()})
            boxes, scores, classes = session.run(
                ["detection_boxes:0", "detection_scores:0", "detection_classes:0"], {"image_tensor:0": pixels[None]})
            for (top, left, bottom, right), score, kind in zip(boxes[0].astype(float), scores[0], classes[0]):
                width, height = image["width"], image["height"]
                if score > 0 and bottom > top and right > left:
                    found.append({"image_id": image["id"], "category_id": int(kind), "score": float(score),
                                  "bbox": [left * width, top * height, (right - left) * width,
                                           (bottom - top) * height]})
    return found
