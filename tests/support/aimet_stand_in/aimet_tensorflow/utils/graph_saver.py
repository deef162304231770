"""Sessions, opened by the name that the aimet backend looks for."""

import os
import tempfile

import tensorflow as tf


def save_model_to_meta(model: "tf.compat.v1.Session", meta_path: str) -> None:
    with model.graph.as_default():
        tf.compat.v1.train.Saver().save(model, meta_path)


def open_session(graph: tf.Graph) -> "tf.compat.v1.Session":
    return tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto())


def load_model_from_meta(meta_path: str) -> "tf.compat.v1.Session":
    session = open_session(tf.Graph())
    with session.graph.as_default():
        saver = tf.compat.v1.train.import_meta_graph(meta_path)
    saver.restore(session, meta_path[:-len(".meta")])
    return session


def save_and_load_graph(meta_path: str, sess: "tf.compat.v1.Session") -> "tf.compat.v1.Session":
    os.makedirs(os.path.dirname(meta_path) or ".", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=os.path.basename(meta_path), dir=os.path.dirname(meta_path)) as folder:
        save_model_to_meta(sess, os.path.join(folder, "temp"))
        return load_model_from_meta(os.path.join(folder, "temp.meta"))
