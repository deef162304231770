"""A detector whose network begins at two ops, with a card that lists both; and one that has to be fed more."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts, read_graph
from quant_accuracy.base.words import FLOAT
from quant_accuracy.commands import check_card, report
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.settings.card import DataPaths
from tests.conftest import Run
from tests.support import broken

pytestmark = pytest.mark.one_lane

_STARTS = ["views/large", "views/small"]
_LATE = "FeatureExtractor/MobilenetV2/Conv/Relu6"
_CARD = """
base: ssd_mobilenet_v2_demo
name: two_views
graph: {starting_op: [%s]}
assumptions: {inputs: true}
gates: null
data: {demo: false, part_of_annotations: true}
"""


def _two_views(meta: tf.MetaGraphDef) -> None:
    """Give the network two weighted views of the image, which it adds up again: to what it had before."""
    start = next(node for node in meta.graph_def.node if node.name.endswith("MobilenetV2/input"))
    for name, share in zip(_STARTS, (0.25, 0.75)):
        meta.graph_def.node.add().CopyFrom(graph_nodes.const_node(f"{name}/share", np.float32(share)))
        meta.graph_def.node.add().CopyFrom(graph_nodes.float_node(name, "Mul", [start.input[0], f"{name}/share"]))
    meta.graph_def.node.add().CopyFrom(graph_nodes.float_node("views/both", "AddV2", _STARTS))
    start.input[0] = "views/both"


def _fed_more(meta: tf.MetaGraphDef) -> None:
    """Multiply the image by a placeholder."""
    _two_views(meta)
    share = next(node for node in meta.graph_def.node if node.name == "views/large/share")
    share.op = "Placeholder"
    share.attr.pop("value")


def _changed(demo: DataPaths, folder: Path, change: Any) -> DataPaths:
    """The demo with another graph for its variables."""
    meta = tf.MetaGraphDef.FromString(Path(f"{demo.checkpoint}.meta").read_bytes())
    change(meta)
    folder.mkdir()
    (folder / "model.ckpt.meta").write_bytes(meta.SerializeToString())
    for path in demo.checkpoint.parent.glob("model.ckpt.[di]*"):
        (folder / path.name).symlink_to(path)
    return replace(demo, checkpoint=folder / "model.ckpt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where cache, card and reports are."""
    made = tmp_path_factory.mktemp("starts")
    for name, starts in (("card", _STARTS), ("late", [*_STARTS, _LATE])):
        (made / f"{name}.yaml").write_text(_CARD % ", ".join(starts), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def two_views(demo: DataPaths, folder: Path) -> DataPaths:
    return _changed(demo, folder / "two_views", _two_views)


def _outcomes(document: Dict[str, Any]) -> Dict[str, str]:
    return {item["gate"]: item["outcome"] for item in document["verdicts"]}


def _arguments(data: DataPaths, folder: Path, *more: str) -> List[str]:
    typed = broken.arguments(data, folder, "--calibration-images", "4", "--shards", "0", *more)
    typed[typed.index("--model") + 1] = str(folder / "card.yaml")
    return typed


def test_a_card_that_lists_two_starting_ops_is_run_and_quantized_from_both_on(
        two_views: DataPaths, folder: Path, demo_artifacts: Artifacts, image: np.ndarray, run_graph: Run) -> None:
    assert report.main(_arguments(two_views, folder, "--quantsim-output-dir", str(folder / "export"))) == 0

    document = broken.document(folder)
    assert _outcomes(document)["model_inputs"] == "pass"
    enabled = {item["tensor"] for item in json.loads((folder / "export" / "quantizers.json").read_text())
               if item["enabled"]}
    ours = {q.tensor for q in demo_artifacts.quantizers if q.enabled}
    assert enabled - ours == {f"{name}:0" for name in (*_STARTS, "views/both")}
    assert ours <= enabled
    # The two views add up to what the demo's own network takes.
    (made,) = (folder / "cache" / "float").glob("*")
    for name in ("concat", "concat_1"):
        views, own = (run_graph(graph, [f"{name}:0"], {"image_tensor:0": image})[0]
                      for graph in (read_graph(made / "folded.pb"), demo_artifacts.graph(FLOAT)))
        np.testing.assert_allclose(views, own, atol=1e-3)


def test_check_card_names_the_one_of_two_starting_ops_that_is_wrong(two_views: DataPaths, folder: Path,
                                                                    capsys: pytest.CaptureFixture) -> None:
    given = ["--model-checkpoint", str(two_views.checkpoint), "--cache-dir", str(folder / "cache")]

    assert check_card.main([str(folder / "late.yaml"), *given]) == 2

    said = capsys.readouterr().out
    assert f"the starting op {_LATE!r} is behind another, which takes in all that it does; take {_LATE!r} out" in said


def test_a_detector_that_has_to_be_fed_more_than_images_is_refused_by_name(demo: DataPaths, folder: Path,
                                                                          capsys: pytest.CaptureFixture) -> None:
    fed_more = _changed(demo, folder / "fed_more", _fed_more)

    assert report.main(_arguments(fed_more, folder)) == 2

    said = capsys.readouterr().err
    assert "besides images (image_tensor) the graph has to be fed 'views/large/share', and a detector is" in said
    assert said.count("error: ") == 1
