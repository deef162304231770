"""A folder for a board: the inputs in their order, the list of them, the network, its encodings, and a manifest."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import concurrency, files, progress
from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.data import images
from quant_accuracy.data.shards import Shard
from quant_accuracy.device.exchange import encodings, input_list, manifest
from quant_accuracy.device.exchange.manifest import (
    FLOAT32,
    UINT8,
    BundledImage,
    BundledShard,
    Manifest,
    Subject,
    Tensor,
)
from quant_accuracy.freezing.predicates import PLACEHOLDERS
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network

NETWORK, INPUTS = "network.pb", "inputs"

# From a batch of one image to what a file each gets.
_Inputs = Callable[[np.ndarray], Sequence[np.ndarray]]


@dataclass(frozen=True)
class Job:
    """What a bundle is made of.

    Attributes:
        subject: The model.
        network: Its float network, batch norms folded.
        image_input: The placeholder of images.
        encodings: The file of encodings.
        shards: The shards whose images are wanted, in order.
        digests: Of the shards' content, by shard number.
        input_type: `float32`: what the starting ops give; `uint8`: the image itself, for a network that takes it.
        models: Integer models that are made already, to be given along.
    """

    subject: Subject
    network: Network
    image_input: str
    encodings: Path
    shards: Sequence[Shard]
    digests: Mapping[int, str]
    input_type: str = FLOAT32
    models: Sequence[Path] = ()


def write(folder: Path, job: Job) -> Manifest:
    """Write a bundle, whole or not at all.

    Raises:
        ConfigurationError: The folder holds something already, images have no common size, or the network has several
            inputs and the image itself is to be the input.
        GraphError: The network takes something besides its starting ops, or an output has no batch.
        DataError: A record is damaged.
        StorageError: The disk is full, or the folder cannot be written.
    """
    _check(folder, job)
    height, width = job.subject.size
    image = images.read_images(job.shards, 1, height, width)[0]
    outputs = _tensors(job.network.outputs, _outputs(job, image))
    with files.atomic_path(folder, replace=True) as scratch, _open_inputs(job) as starts_of:
        (scratch / INPUTS).mkdir(parents=True)
        starts = _tensors(job.network.starts, starts_of(image))
        (scratch / NETWORK).write_bytes(_cut_out(job.network, starts).SerializeToString(deterministic=True))
        shutil.copyfile(str(job.encodings), str(scratch / encodings.NAME))
        for model in job.models:
            shutil.copyfile(str(model), str(scratch / model.name))
        inputs = starts if job.input_type == FLOAT32 else _tensors([job.image_input], [image])
        bundled = _write_inputs(job, starts_of if job.input_type == FLOAT32 else lambda batch: [batch], scratch)
        found = Manifest(job.subject, job.input_type, inputs, outputs,
                         tuple(BundledShard(shard.index, shard.path.name, job.digests[shard.index], shard.records,
                                            shard.total) for shard in job.shards),
                         bundled, {"tensorflow": sessions.version(), "numpy": np.__version__})
        input_list.write(scratch / input_list.NAME, found)
        manifest.write(scratch / manifest.NAME, found)
    return found


def _check(folder: Path, job: Job) -> None:
    files.require_new(folder, "the bundle")
    if 0 in job.subject.size:
        raise ConfigurationError("input: {resize: false} in the model card gives each image its own size, and the "
                                 "network of a device has one; give height and width there")
    if job.input_type == UINT8 and len(job.network.starts) > 1:
        raise ConfigurationError(f"--input-type {UINT8}: the network begins at {len(job.network.starts)} starting ops, "
                                 f"and the image is not the input of each; use {FLOAT32}")


@contextlib.contextmanager
def _open_inputs(job: Job) -> Iterator[_Inputs]:
    """What the starting ops give for a batch of one image."""
    tensors = [f"{name}:0" for name in job.network.starts]
    before = graph_nodes.subgraph(job.network.graph, list(job.network.starts))
    with sessions.open_session(before, "the float graph's preprocessing") as session:
        yield lambda batch: session.run(tensors, {f"{job.image_input}:0": batch})


def _cut_out(network: Network, starts: Sequence[Tensor]) -> tf.GraphDef:
    """The network alone: its starting ops are placeholders of one image."""
    placeholders = {tensor.name: _placeholder(tensor) for tensor in starts}
    whole = tf.GraphDef(versions=network.graph.versions)
    for node in network.graph.node:
        whole.node.add().CopyFrom(placeholders.get(node.name, node))
    cut = graph_nodes.subgraph(whole, list(network.outputs))
    for node in cut.node:
        if node.op in PLACEHOLDERS and node.name not in placeholders:
            raise GraphError(f"the network takes {node.name!r} besides its starting ops, and a device would not get "
                             "it; name all ways into the network in starting_op of the model card")
    return cut


def _placeholder(tensor: Tensor) -> tf.NodeDef:
    node = tf.NodeDef(name=tensor.name, op="Placeholder")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tf.TensorShape(tensor.shape).as_proto())
    return node


def _write_inputs(job: Job, inputs_of: _Inputs, scratch: Path) -> Tuple[BundledImage, ...]:
    """Write the inputs of all images, and say which they are."""
    firsts = np.cumsum([0, *(shard.records for shard in job.shards)]).tolist()

    def process(encoded: images.Encoded) -> BundledImage:
        batch = decode(encoded)
        values = inputs_of(batch.images)
        place = firsts[encoded.position] + encoded.first
        names = [f"{INPUTS}/{place:06d}{'' if len(values) == 1 else f'.{number}'}.raw"
                 for number in range(len(values))]
        for name, value in zip(names, values):
            # The folder that they lie in appears when it is whole.
            (scratch / name).write_bytes(np.ascontiguousarray(value).tobytes())
        return BundledImage(int(batch.image_ids[0]), pixels_digest(batch.images[0]), tuple(names))

    with images.open_decoder(*job.subject.size) as decode:
        return tuple(progress.bar(concurrency.run_concurrently(process, images.read(job.shards, 1)), firsts[-1],
                                  "images", "writing inputs"))


def pixels_digest(image: np.ndarray) -> str:
    """The digest of an image as the graph gets it: uint8 [height, width, 3]."""
    return files.digest_bytes(np.ascontiguousarray(image).tobytes())


def _outputs(job: Job, image: np.ndarray) -> List[np.ndarray]:
    """The outputs of the network for one image, for their shapes."""
    tensors = [f"{name}:0" for name in job.network.outputs]
    graph = graph_nodes.subgraph(job.network.graph, list(job.network.outputs))
    with sessions.open_session(graph, "the float graph") as session:
        found = [np.asarray(value) for value in session.run(tensors, {f"{job.image_input}:0": image})]
    for tensor, value in zip(tensors, found):
        if value.dtype != np.float32 or value.shape[:1] != (1,):
            raise GraphError(f"{tensor} is {value.dtype}{list(value.shape)} for one image, not float32 with a batch of "
                             "one; name output_ops in the model card whose first axis is the batch")
    return found


def _tensors(names: Sequence[str], values: Sequence[np.ndarray]) -> Tuple[Tensor, ...]:
    return tuple(Tensor(name, tuple(value.shape)) for name, value in zip(names, values))
