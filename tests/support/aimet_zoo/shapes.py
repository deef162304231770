"""Stacks, splits, slices, reshapes, pads, pools, selections."""

import tensorflow.compat.v1 as tf

from tests.support.aimet_zoo.building import Built, conv, depthwise, head, keras, keras_image, network
from tests.support.slim import slim


@network("tf.unstack and tf.stack")
def stack_unstack() -> Built:
    a, b, _, d = tf.unstack(conv(keras_image(8)), axis=-1)
    return head(tf.stack([b, a, d], -1))


@network("tf.stack of convolutions")
def stack_of_branches() -> Built:
    i = keras_image(8)
    return head(tf.reduce_mean(tf.stack([conv(i, name="a"), conv(i, name="b")], 1), 1))


@network("tf.split in two")
def split_relu() -> Built:
    a, b = tf.split(conv(keras_image(8)), 2, -1)
    return head(tf.concat([tf.nn.relu(a), tf.nn.sigmoid(b)], -1))


@network("tf.split by sizes, one part unread")
def splitv_skip_one() -> Built:
    a, _, c = tf.split(conv(keras_image(8)), [1, 2, 1], -1)
    return head(tf.concat([tf.nn.relu(a), c], -1))


@network("a channel shuffle")
def channel_shuffle() -> Built:
    x = tf.reshape(conv(keras_image(8), 4), [-1, 6, 6, 2, 2])
    x = tf.reshape(tf.transpose(x, [0, 1, 2, 4, 3]), [-1, 6, 6, 4])
    return head(depthwise(x))


@network("strided slices")
def strided_slices() -> Built:
    x = conv(keras_image(8))
    return head(tf.concat([x[:, ::2, ::2, :], x[:, 1::2, 1::2, :]], -1))


@network("tf.slice")
def slice_op() -> Built:
    return head(tf.slice(conv(keras_image(8)), [0, 1, 1, 0], [-1, 3, 3, 4]))


@network("Keras' Cropping2D, tf.gather")
def crop_and_gather() -> Built:
    return head(tf.gather(keras.Cropping2D(1)(conv(keras_image(8))), [2, 0, 1], axis=-1))


@network("tf.where between activations")
def where_select() -> Built:
    x = conv(keras_image(8))
    return head(tf.where(x > 0.0, x, 0.1 * x))


@network("tf.where with zeros")
def where_zeros() -> Built:
    x = conv(keras_image(8))
    return head(tf.where(tf.greater(x, 0.2), x, tf.zeros_like(x)))


@network("a mask: Greater and Cast")
def compare_and_cast() -> Built:
    x = conv(keras_image(8))
    return head(x * tf.cast(tf.greater(x, 0.0), tf.float32))


@network("TopK, its values and indices outputs")
def topk_gather() -> Built:
    x = keras.Dense(6, name="d")(keras.Flatten()(conv(keras_image(8))))
    values, indices = tf.nn.top_k(x, 3)
    return [values, tf.identity(indices, "indices")]


@network("transposed to channels first and back")
def transposes() -> Built:
    x = tf.nn.relu(tf.transpose(conv(keras_image(8)), [0, 3, 1, 2]))
    return head(conv(keras.Permute((2, 3, 1))(x), name="after"))


@network("reshapes of every kind")
def reshapes() -> Built:
    x = conv(keras_image(8), 4)
    a = tf.reshape(x, [-1, 36 * 4])
    b = tf.reshape(x, [tf.shape(x)[0], -1, 4])
    c = tf.reshape(x, [-1, 36, 4])
    d = keras.Reshape((-1, 4))(x)
    return keras.Dense(3, name="last")(tf.concat([a, tf.reduce_mean(b + c + d, 1)], -1))


@network("box predictors of an SSD on two levels")
def reshape_outputs() -> Built:
    x = tf.nn.relu(conv(keras_image(8), 4))
    boxes = conv(x, 8, 3, padding="same", name="boxes")
    scores = conv(x, 6, 3, padding="same", name="scores")
    boxes = tf.reshape(boxes, tf.stack([tf.shape(boxes)[0], -1, 1, 4]))
    scores = tf.reshape(scores, tf.stack([tf.shape(scores)[0], -1, 3]))
    x = tf.nn.relu(conv(x, 4, 3, strides=2, name="down"))
    boxes2 = tf.reshape(conv(x, 8, 3, padding="same", name="boxes2"), [-1, 8, 1, 4])
    scores2 = tf.reshape(conv(x, 6, 3, padding="same", name="scores2"), [-1, 8, 3])
    return [tf.squeeze(tf.concat([boxes, boxes2], 1), 2, name="raw_boxes"),
            tf.nn.sigmoid(tf.concat([scores, scores2], 1), name="raw_scores")]


@network("Flattens of Keras, slim and tf.layers")
def flattens() -> Built:
    x = conv(keras_image(8), 4)
    return keras.Dense(3, name="last")(tf.concat([keras.Flatten()(x), slim.flatten(x), tf.layers.flatten(x)], -1))


@network("ExpandDims and Squeeze around a convolution")
def squeeze_expand() -> Built:
    x = keras.GlobalAveragePooling2D()(conv(keras_image(8)))
    x = conv(tf.expand_dims(tf.expand_dims(x, 1), 1), 5, 1, name="as_dense")
    return tf.nn.softmax(tf.squeeze(x, [1, 2]))


@network("resizes, bilinear and nearest")
def resize() -> Built:
    x = conv(keras_image(8))
    a = tf.image.resize_bilinear(x, [12, 12])
    b = tf.image.resize_nearest_neighbor(x, [12, 12])
    c = tf.image.resize_bilinear(x, [12, 12], align_corners=True)
    return head(conv(a + b + c, name="after"))


@network("a resize to a size that the graph computes")
def resize_dynamic() -> Built:
    i = keras_image()
    x = conv(i, 4, 3, strides=2, padding="same")
    y = tf.image.resize_nearest_neighbor(x, 2 * tf.shape(x)[1:3])
    return head(conv(tf.concat([y, i], -1), name="after"))


@network("an FPN's upsampling by tf.tile")
def fpn_nearest_by_tile() -> Built:
    i = keras_image()
    a = tf.nn.relu(conv(i, 4, 3, padding="same"))
    b = tf.nn.relu(conv(a, 4, 3, strides=2, padding="same"))
    tiled = tf.tile(tf.reshape(b, [-1, 8, 1, 8, 1, 4]), [1, 1, 2, 1, 2, 1])
    return head(a + tf.reshape(tiled, [-1, 16, 16, 4]))


@network("an FPN's upsampling by tf.stack")
def fpn_nearest_by_stack() -> Built:
    i = keras_image()
    a = tf.nn.relu(conv(i, 4, 3, padding="same"))
    b = tf.nn.relu(conv(a, 4, 3, strides=2, padding="same"))
    stacked = tf.stack([tf.stack([b, b], axis=3), tf.stack([b, b], axis=3)], axis=2)
    return head(a + tf.reshape(stacked, [-1, 16, 16, 4]))


@network("pads of three kinds")
def pads() -> Built:
    x = tf.pad(conv(keras_image(8)), [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    x = conv(keras.ZeroPadding2D(1)(x))
    return head(conv(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0)))


@network("largest and average pool")
def pools() -> Built:
    return head(keras.AveragePooling2D()(keras.MaxPool2D()(conv(keras_image()))))


@network("global pools and reductions")
def global_pools() -> Built:
    x = conv(keras_image(8))
    y = tf.concat([keras.GlobalMaxPool2D()(x), keras.GlobalAveragePooling2D()(x), tf.reduce_mean(x, [1, 2]),
                   tf.reduce_max(x, [1, 2])], -1)
    return keras.Dense(3, name="last")(y)


@network("SpaceToDepth and DepthToSpace")
def space_depth() -> Built:
    return head(tf.depth_to_space(conv(tf.space_to_depth(keras_image(8), 2), 8), 2))
