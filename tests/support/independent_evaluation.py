"""COCO's mAP of a checkpoint, written without the engine: one image at a time, from `image_tensor` to `detection_*`."""

import json
import sys
from pathlib import Path
from typing import Any, Dict

import tensorflow.compat.v1 as tf
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

tf.disable_v2_behavior()


def evaluate(checkpoint: str, folder: str, pattern: str, annotations: str) -> Dict[str, Any]:
    """Restore the checkpoint, detect on every image of the shards, and score what was evaluated."""
    results, image_ids = [], []
    encoded = tf.placeholder(tf.string, [])
    decoded = tf.image.decode_image(encoded, channels=3)
    decoded.set_shape([None, None, 3])
    resized = tf.cast(tf.image.resize_images(decoded, [300, 300]), tf.uint8)
    saver = tf.train.import_meta_graph(checkpoint + ".meta")
    names = ["detection_boxes:0", "detection_scores:0", "detection_classes:0", "num_detections:0"]
    with tf.Session() as session:
        saver.restore(session, checkpoint)
        for path in sorted(Path(folder).glob(pattern)):
            for record in tf.io.tf_record_iterator(str(path)):
                feature = tf.train.Example.FromString(record).features.feature
                image_id = int(feature["image/source_id"].bytes_list.value[0])
                width, height = (feature[f"image/{side}"].int64_list.value[0] for side in ("width", "height"))
                image = session.run(resized, {encoded: feature["image/encoded"].bytes_list.value[0]})
                boxes, scores, classes, count = session.run(names, {"image_tensor:0": image[None]})
                image_ids.append(image_id)
                for i in range(int(count[0])):
                    top, left, bottom, right = boxes[0, i].astype(float)
                    results.append({"image_id": image_id, "category_id": int(classes[0, i]),
                                    "score": float(scores[0, i]),
                                    "bbox": [left * width, top * height, (right - left) * width,
                                             (bottom - top) * height]})
    truth = COCO(annotations)
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.params.imgIds = image_ids
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return {"mAP": float(evaluation.stats[0]), "images": len(image_ids)}


if __name__ == "__main__":
    print(json.dumps(evaluate(*sys.argv[1:])))
