"""Train the demo's detector: `python -m quant_accuracy.demo.train --work-dir DIR`, about two hours on two cores.

Data order, initial values and flips are seeded; float32 sums over threads are not, so two trainings differ a little.
The committed checkpoint is the reference. It took three calls, each of which went on from what the one before had
saved, at the learning rate of its own longer schedule: `--steps 2400`, `--steps 3400` (as far as 3200) and
`--steps 5400`.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import List, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import command_line, files, progress
from quant_accuracy.demo import dataset
from quant_accuracy.demo.ready import CHECKPOINT, PIPELINE_CONFIG
from quant_accuracy.preparation import coco_tfrecords, needs

_CLASSES = 90
_SIDE = 300
_SEED = 7


def main() -> int:
    """Draw the training images, train, and export the checkpoint without optimizer slots; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=6000, help="training images to draw (default 6000)")
    parser.add_argument("--steps", type=int, default=5400, help="training steps (default 5400)")
    parser.add_argument("--batch-size", type=int, default=12, help="images per step (default 12)")
    parser.add_argument("--work-dir", type=Path, required=True, help="keeps images and training state; resumable")
    parser.add_argument("--output", type=Path, default=CHECKPOINT.parent, help="default: beside this file")
    options = parser.parse_args()
    return command_line.exit_status(lambda: _train(options))


def _train(options: argparse.Namespace) -> int:
    needs.check("training the demo")
    shards = _training_shards(options.work_dir / f"images-{options.images}", options.images)
    train(shards, options.steps, options.batch_size, options.work_dir / "state", options.output)
    return command_line.MEASURED


def _training_shards(folder: Path, count: int) -> List[Path]:
    if not folder.is_dir():
        with files.atomic_path(folder) as scratch:
            images, annotations = dataset.write_coco(scratch, count, dataset.TRAINING_SEED, crowds=False)
            coco_tfrecords.convert(images, annotations, scratch / "coco_train.record", shard_count=10)
    return sorted(folder.glob("coco_train.record-*"))


def train(shards: List[Path], steps: int, batch_size: int, state: Path, output: Path) -> None:
    """Train for `steps` from where `state` left off, and export to `output`."""
    tf.set_random_seed(_SEED)
    loss = _build_loss(shards, batch_size)
    step = tf.train.get_or_create_global_step()
    train_op = _build_update(loss, step, steps)
    weights = [v for v in tf.global_variables() if v.op.name.startswith(("FeatureExtractor", "BoxPredictor"))
               and "/Adam" not in v.op.name]
    resume = tf.train.Saver(max_to_keep=1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        state.mkdir(parents=True, exist_ok=True)
        latest = tf.train.latest_checkpoint(str(state))
        if latest:
            resume.restore(session, latest)
        done = int(session.run(step))
        recent: List[float] = []
        with progress.counter(total=steps, unit="steps", label="training", initial=done) as counter:
            while done < steps:
                value, _ = session.run([loss, train_op])
                done += 1
                counter.update(1)
                recent.append(value)
                if done % 50 == 0:
                    progress.say(f"step {done}: loss {np.mean(recent):.3f}")
                    recent.clear()
                if done % 200 == 0 or done == steps:
                    resume.save(session, str(state / "model.ckpt"), global_step=done)
        trained = state / "trained" / "model.ckpt"
        trained.parent.mkdir(exist_ok=True)
        tf.train.Saver(weights).save(session, str(trained), write_meta_graph=False, write_state=False)
    export(trained, output)


def export(trained: Path, output: Path) -> None:
    """Leave `<output>/model.ckpt.*` with the graph that users quantize, so that the demo needs no object_detection.

    Args:
        trained: Prefix of a checkpoint of the trained variables.
        output: The folder.

    Raises:
        CheckpointError: The checkpoint is not one of the demo's network.
    """
    from quant_accuracy.preparation import checkpoint  # object_detection is not in every lane

    with tempfile.TemporaryDirectory() as scratch:
        exported = checkpoint.export(PIPELINE_CONFIG, trained, Path(scratch) / "exported")
        for path in sorted(exported.prefix.parent.glob(f"{exported.prefix.name}.*")):
            with files.atomic_path(output / path.name) as place:
                shutil.copyfile(str(path), str(place))


def _build_loss(shards: List[Path], batch_size: int) -> tf.Tensor:
    from quant_accuracy.preparation import pipeline_config

    config = pipeline_config.load(PIPELINE_CONFIG)
    model = pipeline_config.build_model(config, is_training=True)
    images, boxes, classes, counts = _batches(shards, batch_size)
    preprocessed, shapes = model.preprocess(tf.cast(images, tf.float32))
    every = range(batch_size)
    model.provide_groundtruth([boxes[i, :counts[i]] for i in every],
                              [tf.one_hot(classes[i, :counts[i]] - 1, _CLASSES) for i in every])
    losses = model.loss(model.predict(preprocessed, shapes), shapes)
    return tf.add_n(list(losses.values()) + tf.losses.get_regularization_losses())


def _build_update(loss: tf.Tensor, step: tf.Tensor, steps: int) -> tf.Operation:
    warm_up, peak = 200, 2e-3
    now = tf.cast(step, tf.float32)
    rate = tf.where(now < warm_up, peak * (now + 1.0) / warm_up,
                    tf.train.cosine_decay(peak, step - warm_up, steps - warm_up))
    optimizer = tf.train.AdamOptimizer(rate)
    gradients, variables = zip(*optimizer.compute_gradients(loss))
    clipped, _ = tf.clip_by_global_norm(gradients, 5.0)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return optimizer.apply_gradients(zip(clipped, variables), global_step=step)


def _batches(shards: List[Path], batch_size: int) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """uint8 [b, 300, 300, 3], boxes float32 [b, n, 4], category ids int64 [b, n], box counts int32 [b]."""
    data = tf.data.TFRecordDataset([str(path) for path in shards]).repeat().shuffle(1000, seed=_SEED)
    data = data.map(_parse, num_parallel_calls=2)
    # Images without objects teach nothing here: the loss is normalized by the number of matches.
    data = data.filter(lambda image, boxes, classes, count: count > 0)
    data = data.padded_batch(batch_size, ([_SIDE, _SIDE, 3], [None, 4], [None], []), drop_remainder=True)
    images, boxes, classes, counts = tf.data.make_one_shot_iterator(data.prefetch(2)).get_next()
    images.set_shape([batch_size, _SIDE, _SIDE, 3])
    return images, boxes, classes, counts


def _parse(record: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    edges = ("ymin", "xmin", "ymax", "xmax")
    spec = {f"image/object/bbox/{edge}": tf.VarLenFeature(tf.float32) for edge in edges}
    spec["image/object/class/label"] = tf.VarLenFeature(tf.int64)
    spec["image/encoded"] = tf.FixedLenFeature([], tf.string)
    parsed = tf.parse_single_example(record, spec)
    image = tf.image.decode_image(parsed["image/encoded"], channels=3)
    image.set_shape([None, None, 3])
    image = tf.cast(tf.image.resize_images(image, [_SIDE, _SIDE]), tf.uint8)
    top, left, bottom, right = (tf.sparse_tensor_to_dense(parsed[f"image/object/bbox/{edge}"]) for edge in edges)
    flip = tf.random_uniform([], seed=_SEED) < 0.5
    image = tf.cond(flip, lambda: tf.image.flip_left_right(image), lambda: image)
    left, right = tf.cond(flip, lambda: (1.0 - right, 1.0 - left), lambda: (left, right))
    classes = tf.sparse_tensor_to_dense(parsed["image/object/class/label"])
    return image, tf.stack([top, left, bottom, right], axis=1), classes, tf.size(classes)


if __name__ == "__main__":
    sys.exit(main())
