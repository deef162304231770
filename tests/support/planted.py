"""Culprits that are planted in the demo, for the answer to why to find."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import Override
from quant_accuracy.settings.card import DataPaths, ModelCard

_TOWER = "FeatureExtractor/MobilenetV2"
# At 3 bits these weights alone cost far more accuracy than any gate allows.
COARSE = f"{_TOWER}/expanded_conv_16/project/weights/read:0"


class Planted(NamedTuple):
    """A culprit: what the demo is given, and where it is in the network."""

    card: ModelCard
    data: DataPaths
    scope: str


Plant = Callable[[ModelCard, DataPaths, Path, Artifacts], Planted]


def few_bits(card: ModelCard, data: DataPaths, _: Path, __: Artifacts) -> Planted:
    """A layer whose weights have 3 bits."""
    return Planted(replace(card, quantization=replace(card.quantization, overrides=(Override(COARSE, bitwidth=3),))),
                    data, f"{_TOWER}/expanded_conv_16/project/")


def clipped(card: ModelCard, data: DataPaths, folder: Path, built: Artifacts) -> Planted:
    """An activation whose range ends at an eighth of what it should be."""
    tensor = f"{_TOWER}/expanded_conv_5/depthwise/Relu6:0"
    encoding, = built.encodings[tensor]
    narrow = replace(encoding, maximum=encoding.maximum / 8, scale=encoding.scale / 8)
    encodings = {**built.encodings, tensor: (narrow,)}
    encodings_file.write(folder / "clipped.encodings", replace(built.quantization, encodings=encodings))
    settings = replace(card.quantization, encodings_file=folder / "clipped.encodings")
    return Planted(replace(card, quantization=settings), data, f"{_TOWER}/expanded_conv_5/depthwise/")


def large_channel(card: ModelCard, data: DataPaths, folder: Path, _: Artifacts) -> Planted:
    """A channel a hundred times larger before folding, and smaller behind: the float network computes the same."""
    layer, behind = f"{_TOWER}/expanded_conv_16/project", f"{_TOWER}/Conv_1/weights"
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(f"{data.checkpoint}.meta")
        saver.restore(session, str(data.checkpoint))
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        for name, channel, factor in ((f"{layer}/BatchNorm/gamma", np.s_[3], 100.0),
                                      (f"{layer}/BatchNorm/beta", np.s_[3], 100.0), (behind, np.s_[:, :, 3], 0.01)):
            values = session.run(variables[name])
            values[channel] *= factor
            variables[name].load(values, session)
        saver.save(session, str(folder / "model.ckpt"), write_state=False)
    return Planted(card, replace(data, checkpoint=folder / "model.ckpt"), f"{layer}/")


CULPRITS: Dict[str, Plant] = {
    "a layer at 3 bits": few_bits, "an activation with a clipped range": clipped,
    "a channel scaled by 100 before folding": large_channel,
}
