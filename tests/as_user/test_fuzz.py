"""Bad input: a slice of the fuzzer's cases, and what it found before, each under the name of the bug."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from quant_accuracy.base.errors import (
    CheckpointError,
    ConfigurationError,
    DataError,
    GraphError,
    QuantAccuracyError,
    StorageError,
)
from quant_accuracy.data import annotations, images, shards
from quant_accuracy.graph import load
from quant_accuracy.judging import baseline
from quant_accuracy.quantization import configuration, encodings_file
from quant_accuracy.settings import card, options
from quant_accuracy.settings.card import DataPaths
from tests.fuzz import runner
from tests.fuzz.data_kinds import bomb, framed
from tests.fuzz.names import KINDS
from tests.support.places import ROOT


def test_damaged_input_of_every_kind_ends_in_a_clear_error_or_a_correct_result() -> None:
    outcome = runner.run(runner.cases(KINDS, 24), seed=2019)

    assert not outcome.failures, "\n\n".join(f"{case}: {problem}" for case, problem in outcome.failures.items())
    assert {kind: sum(counts.values()) for kind, counts in outcome.counts.items()} == dict.fromkeys(KINDS, 24)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_damaged_files_end_in_a_clear_error_or_a_correct_result(seed: int) -> None:
    outcome = runner.run(runner.cases(KINDS, 150), seed, workers=2)

    assert not outcome.failures, "\n\n".join(f"{case}: {problem}" for case, problem in outcome.failures.items())


def test_the_fuzzer_sees_hangs_crashes_memory_and_errors_that_are_not_ours() -> None:
    outcome = runner.Outcome()
    outcome.add(("card", 0), runner.CORRECT, 11.0, 0.0)
    outcome.add(("card", 1), runner.REFUSED, 0.0, 2000.0)
    outcome.add(("card", 2), "Traceback", 0.0, 0.0)
    outcome.add(("card", 3), runner.CORRECT, 1.0, 1.0)

    assert sorted(outcome.failures) == [("card", 0), ("card", 1), ("card", 2)]


def _write(data: DataPaths, *contents: bytes) -> None:
    (path,) = data.dataset_dir.glob(data.pattern)
    path.write_bytes(b"".join(map(framed, contents)))


def _example(**features: bytes) -> bytes:
    found = {name.replace("_", "/", 1): tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
             for name, value in features.items()}
    return bytes(tf.train.Example(features=tf.train.Features(feature=found)).SerializeToString())


def test_a_record_that_is_no_example_does_not_end_the_process(convert: Callable[..., DataPaths]) -> None:
    data = convert()
    _write(data, b"\x0a\xff\xff\xff\xff", b"", b"garbage" * 100)
    script = ("import sys\nfrom pathlib import Path\nfrom quant_accuracy.data import annotations, images, shards\n"
              "from quant_accuracy.base.errors import DataError\n"
              "try:\n    list(images.stream(shards.find_shards(Path(sys.argv[1]), sys.argv[2]), 1, 30, 30))\n"
              "except DataError as error:\n    print(error)\n")

    done = subprocess.run([sys.executable, "-c", script, str(data.dataset_dir), data.pattern], cwd=str(ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    assert done.returncode == 0
    assert "record 0 is not a tf.train.Example; make the file" in done.stdout


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_small_file_that_says_it_is_a_huge_image_is_refused(convert: Callable[..., DataPaths]) -> None:
    data = convert()
    _write(data, _example(image_encoded=bomb("PNG"), image_source_id=b"7"))

    with pytest.raises(DataError, match="12000x12000"):
        list(images.stream(shards.find_shards(data.dataset_dir, data.pattern), 1, 30, 30))


def test_digits_of_other_scripts_are_no_image_id(convert: Callable[..., DataPaths]) -> None:
    data, buffer = convert(), io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "PNG")
    _write(data, _example(image_encoded=buffer.getvalue(), image_source_id="²".encode()))

    with pytest.raises(DataError, match="is not a COCO image id"):
        list(images.stream(shards.find_shards(data.dataset_dir, data.pattern), 1, 30, 30))


def test_an_integer_beyond_all_floats_is_no_number_of_a_baseline(tmp_path: Path) -> None:
    document: Dict[str, Any] = json.loads((ROOT / "baselines" / options.DEMO_CARD / "figures.json").read_text())
    document["metrics"]["float"]["figures"]["mAP"] = 10 ** 400
    (tmp_path / "figures.json").write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match="mAP is 1000.*give a number from 0 to 1"):
        baseline.read(tmp_path)


@pytest.mark.parametrize("width", ["sixty", "60.5", 60.5, None, True, 0, -60, 10 ** 400, [60]])
def test_an_image_whose_width_is_no_number_of_pixels_is_named(coco_folder: Callable[..., Path], width: Any) -> None:
    folder = coco_folder(images=[{"id": 7, "file_name": "colour.jpg", "width": width, "height": 40}], annotations=[])

    with pytest.raises(DataError, match="image 7 has the width .*; give whole pixels"):
        annotations.load(folder / "instances.json")


def test_a_category_named_with_half_a_character_is_an_error_that_names_it(coco_folder: Callable[..., Path]) -> None:
    folder = coco_folder(annotations=[], categories=[{"id": 3, "name": "\ud800"}])

    with pytest.raises(DataError, match="the name of category 3 holds half of a character"):
        annotations.load(folder / "instances.json")


def test_provenance_that_is_no_mapping_is_an_error_of_the_baseline(tmp_path: Path) -> None:
    document: Dict[str, Any] = json.loads((ROOT / "baselines" / options.DEMO_CARD / "figures.json").read_text())
    document["provenance"]["data"] = "x"
    (tmp_path / "figures.json").write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match="provenance.data is not a mapping"):
        baseline.read(tmp_path)


_LAUGHS = "\n".join(["l0: &l0 [ha, ha]", *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))])


@pytest.mark.parametrize(("text", "message"), [
    (f"{_LAUGHS}\nname: *l11\n", "l0 is unknown"), ("name: x\nname: *l11\n", "not YAML"),
    ("input: {height: +_}\n", "not a mapping|not YAML|is missing|give a whole"), ("calibration: {images: 0x}\n", "."),
    ("name: 2019-99-99\n", "not YAML"), ("[" * 200000, "and a model card at most"),
    ("name: x\ngates: {mAP_floor: " + "9" * 400 + "}\n", "."), ("name: !!python/name:os.system\n", "not YAML"),
])
def test_yaml_that_is_no_card_is_a_short_clear_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "card.yaml").write_text(text)

    with pytest.raises(ConfigurationError, match=message) as caught:
        card.load(str(tmp_path / "card.yaml"))
    assert len(str(caught.value)) < 2000


def test_errors_do_not_quote_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(b'{"version": "\xff' + b"x" * 100000)
    with pytest.raises(StorageError, match="--quantsim-output-dir") as caught:
        encodings_file.read(path)
    assert len(str(caught.value)) < 500
    path.write_text(json.dumps({"defaults": {}, "params": {}, "op_type": {"x" * 100000: {}}, "supergroups": [],
                                "model_input": {}, "model_output": {}}))
    with pytest.raises(ConfigurationError) as unknown:
        configuration.load(path)
    assert len(str(unknown.value)) < 500
    assert str(QuantAccuracyError("a" * 9999 + "; do this")).endswith("; do this")


def test_an_offset_that_is_not_that_of_the_range_is_refused(tmp_path: Path) -> None:
    item = {"bitwidth": 8, "is_symmetric": "False", "max": 2.0, "min": -1.0, "offset": -1e30, "scale": 3 / 255}
    (tmp_path / "model.encodings").write_text(json.dumps({"activation_encodings": {"a:0": [item]},
                                                          "param_encodings": {}}))

    with pytest.raises(StorageError, match="the offset -1.*is not that of any range"):
        encodings_file.read(tmp_path / "model.encodings")


def _change_nodes(data: DataPaths, change: Callable[[tf.GraphDef], None]) -> Path:
    path = Path(f"{data.checkpoint}.meta")
    meta = tf.MetaGraphDef.FromString(path.read_bytes())
    change(meta.graph_def)
    path.write_bytes(meta.SerializeToString())
    return data.checkpoint


def _first(graph: tf.GraphDef, op: str) -> tf.NodeDef:
    names = {node.name for node in tf.graph_util.extract_sub_graph(graph, ["concat"]).node}
    return next(node for node in graph.node if node.op == op and node.name in names)


def _unfold(graph: tf.GraphDef) -> None:
    tensor = _first(graph, "Const").attr["value"].tensor
    tensor.tensor_shape.dim.add(size=10 ** 12)


def _retype(graph: tf.GraphDef) -> None:
    node = _first(graph, "Const")
    node.attr["value"].tensor.dtype = 1 if node.attr["dtype"].type != 1 else 3


def _enter_again(graph: tf.GraphDef) -> None:
    node = _first(graph, "Merge")
    node.input.append(node.input[0])


def _beside_nothing(graph: tf.GraphDef) -> None:
    _first(graph, "Conv2D").attr["_class"].list.s.append(b"loc:@nothing")


def _beside_no_text(graph: tf.GraphDef) -> None:
    _first(graph, "Conv2D").attr["_class"].list.s.append(b"\xff")


@pytest.mark.parametrize(("change", "message"), [
    (_beside_nothing, "takes 'nothing', which no op gives"), (_beside_no_text, "_class of the op .* is no text"),
    (_unfold, "has the shape"),
    (_retype, "values of another type"), (_enter_again, "the loop at '.*/Merge' is entered in more than one place"),
    (lambda graph: _first(graph, "Conv2D").attr.pop("T"), "TensorFlow cannot build the graph"),
    (lambda graph: _first(graph, "Conv2D").input.__setitem__(0, "nothing"), "takes 'nothing', which no op gives"),
    (lambda graph: setattr(_first(graph, "Conv2D"), "op", "Sin"), "TensorFlow cannot build the graph"),
], ids=["beside nothing", "beside no text", "constant of terabytes", "constant of another type", "loop entered twice",
        "attribute gone", "input gone", "op of another type"])
def test_a_graph_that_tensorflow_cannot_build_is_one_clear_error(demo_copy: DataPaths, message: str,
                                                                change: Callable[[tf.GraphDef], Any]) -> None:
    with pytest.raises(GraphError, match=message):
        load.load_frozen(_change_nodes(demo_copy, change), ["concat"])


def test_names_of_variables_that_would_fill_the_memory_are_refused(demo_copy: DataPaths) -> None:
    def unfold(graph: tf.GraphDef) -> None:
        names = next(node for node in graph.node if node.name == "save/RestoreV2/tensor_names")
        names.attr["value"].tensor.tensor_shape.dim[0].size = 10 ** 12

    with pytest.raises(CheckpointError, match=r"has the shape \[1000000000000\], which its values do not fill"):
        load.load_frozen(_change_nodes(demo_copy, unfold), ["concat"])


_COLLECTED = """
import gc, sys
from pathlib import Path
from quant_accuracy.base import documents
class Cleans:
    def __del__(self):
        sorted([self], key=lambda item: id(item))
for allocations in range(850, 1100):
    gc.collect()
    item = Cleans()
    item.itself = item
    del item
    gc.set_threshold(allocations)
    try:
        documents.read_json(Path(sys.argv[1]))
    except ValueError as error:
        print(error)
"""


def test_what_is_collected_in_the_depth_of_brackets_does_not_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200000)

    done = subprocess.run([sys.executable, "-c", _COLLECTED, str(tmp_path / "deep.json")], cwd=str(ROOT),
                          capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["it is nested too deeply"] * 250
