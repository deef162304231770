"""What a board is given: the very inputs of the network, and the network that makes the float outputs of them."""

from dataclasses import replace
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, DataError, GraphError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.data import images, shards
from quant_accuracy.device.exchange import bundle, input_list, manifest, raw_outputs
from quant_accuracy.device.exchange.bundle import Job
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.pipeline import bundled
from quant_accuracy.pipeline.prepared import Prepared, prepare
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support.bundles import SUBJECT


@pytest.fixture(scope="module")
def prepared(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Prepared:
    return prepare(Request(demo_card, demo, 1, "2", 2), cache)


@pytest.fixture
def job(prepared: Prepared) -> Job:
    return bundled.job(prepared, "float32")


def test_a_bundle_holds_what_the_network_takes_and_a_network_that_makes_its_outputs_of_that(
        job: Job, prepared: Prepared, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "bundle"

    found = bundle.write(folder, job)

    assert manifest.read(folder / "manifest.json") == found
    assert input_list.read(folder / "input_list.txt", found) == [0, 1]
    assert [(shard.index, shard.records, shard.total) for shard in found.shards] == [(2, 2, 20)]
    assert [tensor.shape for tensor in found.inputs] == [(1, 300, 300, 3)]
    network = tf.GraphDef.FromString((folder / "network.pb").read_bytes())
    assert [node.name for node in network.node if node.op == "Placeholder"] == list(job.network.starts)
    names = prepared.request.card.graph
    outputs = [f"{name}:0" for name in names.output_ops]
    with sessions.open_session(network) as alone, sessions.open_session(prepared.artifacts.graph(FLOAT)) as whole:
        for batch, image in zip(images.stream(prepared.shards, 1, 300, 300), found.images):
            start, *wanted = whole.run([f"{names.starting_ops[0]}:0", *outputs],
                                       {f"{names.image_input}:0": batch.images})
            given = np.fromfile(str(folder / image.inputs[0]), "<f4").reshape(1, 300, 300, 3)
            np.testing.assert_array_equal(given, start)
            made = alone.run(outputs, {f"{names.starting_ops[0]}:0": given})
            for one, other, tensor in zip(made, wanted, found.outputs):
                np.testing.assert_allclose(one, other, atol=1e-4)
                assert one.shape == tensor.shape
            assert image.image_id == int(batch.image_ids[0])


def test_the_input_may_be_the_image_itself(job: Job, prepared: Prepared, tmp_path: Path) -> None:
    found = bundle.write(tmp_path / "bundle", replace(job, input_type="uint8"))

    (first, _) = images.stream(prepared.shards, 1, 300, 300)
    given = np.fromfile(str(tmp_path / "bundle" / found.images[0].inputs[0]), np.uint8)
    np.testing.assert_array_equal(given.reshape(first.images.shape), first.images)
    assert [(tensor.name, tensor.shape) for tensor in found.inputs] == [("image_tensor", (1, 300, 300, 3))]


def test_what_a_folder_holds_already_is_left_alone(job: Job, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigurationError, match="is not empty; name a new folder"):
        bundle.write(tmp_path, job)
    with pytest.raises(ConfigurationError, match="is a file; name a new folder"):
        bundle.write(tmp_path / "mine.txt", job)
    bundle.write(tmp_path / "empty", job)

    assert (tmp_path / "mine.txt").read_text() == "mine"
    with pytest.raises(DataError, match="holds no Result_<n>"):
        raw_outputs.find(tmp_path / "empty")


def test_a_bundle_that_cannot_be_made_leaves_nothing(job: Job, tmp_path: Path) -> None:
    shard = job.shards[0]
    cut = tmp_path / "cut.record"
    cut.write_bytes(shard.path.read_bytes()[:-10])
    whole = replace(shard, path=cut, records=shard.total)

    with pytest.raises(DataError, match=r"cut.record: record 19 is damaged"):
        bundle.write(tmp_path / "bundle", replace(job, shards=[whole]))

    assert [path.name for path in tmp_path.iterdir()] == ["cut.record"]


def test_images_without_a_common_size_are_refused_with_the_setting(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="resize: false"):
        bundle.write(tmp_path / "bundle", replace(job, subject=replace(job.subject, size=(0, 0))))


def test_a_network_that_takes_more_than_its_starting_ops_is_refused(job: Job, tmp_path: Path) -> None:
    network = replace(job.network, starts=("FeatureExtractor/MobilenetV2/Conv/Relu6",))
    network.graph.node.add(name="besides", op="Placeholder").attr["dtype"].type = tf.float32.as_datatype_enum
    end = network.graph.node.add(name="end", op="AddV2", input=["concat_1", "besides"])
    end.attr["T"].type = tf.float32.as_datatype_enum

    with pytest.raises(GraphError, match="besides"):
        bundle.write(tmp_path / "bundle", replace(job, network=replace(network, outputs=("end",))))


def test_a_network_with_several_inputs_gets_a_file_for_each_by_its_name(convert: Callable[..., DataPaths],
                                                                       tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        given = tf.placeholder(tf.uint8, [None, 8, 8, 3], "pixels")
        values = tf.cast(given, tf.float32)
        half, whole = tf.multiply(values, 0.5, name="scope/half"), tf.subtract(values, 1.0, name="whole")
        tf.add(half[:, ::2, ::2], tf.nn.avg_pool(whole, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), name="end")
    data = convert()
    found_shards = shards.find_shards(data.dataset_dir, data.pattern)
    (tmp_path / "model.encodings").write_text("{}")
    subject = replace(SUBJECT, starting_ops=("scope/half", "whole"), output_ops=("end",), size=(8, 8))
    job = Job(subject, Network(graph.as_graph_def(), ["scope/half", "whole"], ["end"]), "pixels",
              tmp_path / "model.encodings", found_shards, {0: "0" * 64})

    found = bundle.write(tmp_path / "bundle", job)

    assert [(tensor.name, tensor.shape) for tensor in found.inputs] == [("scope/half", (1, 8, 8, 3)),
                                                                        ("whole", (1, 8, 8, 3))]
    assert (tmp_path / "bundle" / "input_list.txt").read_text().splitlines()[2] == \
        "scope/half:=inputs/000002.0.raw whole:=inputs/000002.1.raw"
    halves, wholes = (np.fromfile(str(tmp_path / "bundle" / name), "<f4") for name in found.images[2].inputs)
    np.testing.assert_array_equal(halves * 2 - 1, wholes)
    with pytest.raises(ConfigurationError, match="2 starting ops"):
        bundle.write(tmp_path / "other", replace(job, input_type="uint8"))
