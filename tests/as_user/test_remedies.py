"""What a message says to do works: it is done, and the next run is one. What other writers mean is read as such."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import numpy as np
import pytest
import yaml

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.documents import Section
from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.demo import ready
from quant_accuracy.judging import baseline
from quant_accuracy.preparation import checkpoint
from quant_accuracy.quantization import configuration, encodings_file, simulate
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantizer, Symmetry
from quant_accuracy.reporting.document import history, read_report
from quant_accuracy.settings import card, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.options import Values

_CARD = (card.FOLDER / f"{options.DEMO_CARD}.yaml").read_text()
_DEMO = card.load(options.DEMO_CARD)
_SECTIONS: Dict[str, Any] = {"defaults": {"ops": {}, "params": {}}, "params": {}, "op_type": {}, "supergroups": [],
                             "model_input": {}, "model_output": {}}


class Broken(NamedTuple):
    """An input that is broken, what is said of it, and what it says to do.

    Attributes:
        name: Of the file.
        content: What stands in it.
        use: Reads it.
        message: What is said.
        remedied: What stands in it when that has been done; None where the file is deleted.
    """

    name: str
    content: str
    use: Callable[[Path], Any]
    message: str
    remedied: Any


def _card(path: Path) -> card.ModelCard:
    return card.load(str(path))


def _config(**changes: Any) -> str:
    return json.dumps({name: value for name, value in {**_SECTIONS, **changes}.items() if value is not None})


def _baseline(path: Path) -> Any:
    return baseline.read(path.parent, "--model 'my card.yaml' --baseline-dir mine")


def _quantizers(path: Path) -> Any:
    return baseline.read_quantizers(path.parent, "--model 'my card.yaml' --baseline-dir mine")


_AGAIN = "restore it, or delete it and make it with `./run pytest --model 'my card.yaml' --baseline-dir mine --upd"


@pytest.mark.parametrize("broken", [
    Broken("card.yaml", f"{_CARD}\ncalibrationn: {{images: 5}}\n", _card, "calibrationn is unknown; did you mean "
           "'calibration'? Else remove it", _CARD),
    Broken("card.yaml", f"{_CARD}\nzzz: 5\n", _card, "zzz is unknown; remove it; known here: name, graph", _CARD),
    Broken("card.yaml", f"{_CARD}\nx: [1, 2\n", _card, "card.yaml: not YAML (line ", _CARD),
    Broken("card.yaml", _CARD.replace("height: 300", "height: 300.5"), _card, "height is 300.5; give a whole number",
           _CARD),
    Broken("config.json", _config(op_type={"Gather": {}}), configuration.load, "op_type.Gather is unknown; remove it; "
           "known here: Conv, BatchN", _config()),
    Broken("config.json", _config(hw_version="V66"), configuration.load, "hw_version is unknown; remove it; known "
           "here: defaults,", _config()),
    Broken("config.json", _config(supergroups=[{"op_list": ["Conv", "ReLU"]}]), configuration.load,
           "did you mean 'Relu'? Else remove the group", _config(supergroups=[{"op_list": ["Conv", "Relu"]}])),
    # It is another function than what its name resembles.
    Broken("config.json", _config(supergroups=[{"op_list": ["Conv", "Elu"]}, {"op_list": ["Add", "Sigmoid"]}]),
           configuration.load, "remove the group", _config()),
    Broken("config.json", _config(model_output=None), configuration.load, "model_output is missing; add it", _config()),
    Broken("config.json", _config()[:-2], configuration.load, "config.json: not readable as JSON (", _config()),
    Broken("figures.json", "{", _baseline, _AGAIN, None),
    Broken("figures.json", json.dumps({"schema_version": 99}), _baseline, "schema_version is 99, not 2; delete it and "
           "make it with `./run pytest --model 'my card.yaml'", None),
    Broken("quantizers.json", "[{}]", _quantizers, _AGAIN, None),
    Broken("quantizers.json", "{}", _quantizers, "is not a list of quantizers; restore it, or delete it", None),
    Broken("report.html", "<html>", read_report.read_run, "report.html: cannot be read (Expecting value: line 1 "
           "column 1 (char 0)); name the report.json beside it", "another"),
])
def test_doing_what_the_message_says_makes_the_next_run_work(broken: Broken, tmp_path: Path) -> None:
    path = tmp_path / broken.name
    path.write_text(broken.content)

    with pytest.raises(QuantAccuracyError) as caught:
        broken.use(path)

    said = str(caught.value)
    assert said.startswith(str(path))
    assert broken.message in said
    assert len(said.splitlines()) == 1
    if broken.remedied is None:
        path.unlink()
        assert broken.use(path) is None
    elif broken.remedied != "another":
        path.write_text(broken.remedied)
        broken.use(path)


@pytest.mark.parametrize("write", [
    lambda text: text.encode("utf-8-sig"), lambda text: text.encode("utf-16"),
    lambda text: text.replace("\n", "\r\n").encode("utf-8"),
    lambda text: text.replace("height: 300", 'height: "300"').replace("images: 50", "images: 50.0").encode("utf-8"),
    lambda text: text.replace("mAP_drop: 0.02", "mAP_drop: 2e-2").encode("utf-8"),
    lambda text: text.replace("biases: false", 'biases: "False"').encode("utf-8"),
    lambda text: text.replace("biases: false", 'biases: "false"').encode("utf-8"),
], ids=["byte-order mark", "UTF-16", "CRLF", "numbers", "exponent", "False", "false"])
def test_a_model_card_is_read_as_editors_and_tables_write_it(write: Callable[[str], bytes], tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes(write(_CARD))

    found = card.load(str(tmp_path / "card.yaml"))

    assert found.gates == _DEMO.gates
    assert (found.height, found.calibration_images, found.assumptions) == (300, 50, _DEMO.assumptions)


@pytest.mark.parametrize("value", ["True", "true", True, " TRUE "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_configuration_is_read_as_python_and_javascript_write_it(value: Any, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(_config(defaults={"ops": {}, "params": {}, "strict_symmetric": value}).encode(encoding))

    assert configuration.load(path).strict


@pytest.mark.parametrize(("value", "wanted"), [(8, 8), (8.0, 8), ("8", 8), (" 8.0 ", 8), ("0x8", None), (8.5, None),
                                               ("eight", None), (True, None), ("1e999", None), ("9" * 1000, None),
                                               ("", None), ([8], None), ("nan", None), ("1_0", None)])
def test_a_whole_number_is_one_however_it_is_written(value: Any, wanted: Any) -> None:
    section = Section("file", "", {"bits": value}, "the file")

    if wanted is not None:
        assert section.number("bits", 1, 10) == wanted
        assert isinstance(section.number("bits", 1, 10), int)
    else:
        with pytest.raises(ConfigurationError, match="file: bits is .*; give a whole number from 1 to 10"):
            section.number("bits", 1, 10)


def test_a_history_with_a_byte_order_mark_keeps_its_first_line(tmp_path: Path) -> None:
    line = {"schema_version": 1, "time": "2019-10-15T12:00:00Z", "model": "m", "images": 40.0, "shards": "0-3",
            "float_map": 0.5, "quantized_map": "0.49", "drop": 0.01, "outcomes": {"pass": 3}, "provenance": {}}
    (tmp_path / "history.jsonl").write_bytes(f"\ufeff{json.dumps(line)}\r\n".encode())

    assert [(found.images, found.quantized_map) for found in history.read(tmp_path / "history.jsonl")] == [(40, 0.49)]


@pytest.fixture
def stored(demo_artifacts: Artifacts, tmp_path: Path) -> Path:
    path = tmp_path / "given.encodings"
    encodings_file.write(path, demo_artifacts.quantization)
    return path


def _each(document: Dict[str, Any], change: Callable[[Dict[str, Any]], Dict[str, Any]]) -> Dict[str, Any]:
    return {section: items if section == "version" else
            {tensor: [change(item) for item in encodings] for tensor, encodings in items.items()}
            for section, items in document.items()}


def _as_table(item: Dict[str, Any]) -> Dict[str, Any]:
    return {**item, "bitwidth": float(item["bitwidth"]), "offset": item["offset"] + 1e-6}


def _as_text(item: Dict[str, Any]) -> Dict[str, Any]:
    return {key: str(value) for key, value in item.items()}


def _as_booleans(item: Dict[str, Any]) -> Dict[str, Any]:
    return {**item, "is_symmetric": item["is_symmetric"] == "True", "dtype": "int"}


def _of_ops(document: Dict[str, Any]) -> Dict[str, Any]:
    return {section: items if section == "version" else {tensor.split(":")[0]: value for tensor, value in items.items()}
            for section, items in document.items()}


@pytest.mark.parametrize("change", [
    lambda document: json.dumps(_each(document, _as_table)).encode("utf-8"),
    lambda document: json.dumps(_each(document, _as_text)).encode("utf-16"),
    lambda document: json.dumps({**_each(document, _as_booleans), "version": "0.6.1", "quantizer_args": {}}).encode(),
    lambda document: json.dumps(_of_ops(document)).encode("utf-8-sig"),
], ids=["table", "text in UTF-16", "0.6.1", "names of ops"])
def test_encodings_are_read_as_other_writers_have_them(stored: Path, demo_artifacts: Artifacts,
                                                       change: Callable[[Dict[str, Any]], bytes]) -> None:
    stored.write_bytes(change(json.loads(stored.read_text())))

    found = encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM, ACTIVATION])

    assert found == demo_artifacts.encodings


def test_the_yaml_beside_an_export_and_the_params_of_adaround_are_read(stored: Path, demo_artifacts: Artifacts) -> None:
    document = json.loads(stored.read_text())
    (stored.parent / "model.encodings.yaml").write_text(yaml.safe_dump(document))
    (stored.parent / "adaround.encodings").write_text(json.dumps(document["param_encodings"]))

    whole = encodings_file.read(stored.parent / "model.encodings.yaml")
    params = encodings_file.read(stored.parent / "adaround.encodings")

    assert whole.all() == demo_artifacts.encodings
    assert params.by_kind[PARAM] == whole.by_kind[PARAM]
    with pytest.raises(ConfigurationError, match="no encodings of activations; give it with --load-param-encodings"):
        encodings_file.matching(params, demo_artifacts.quantizers, [PARAM, ACTIVATION])
    assert encodings_file.matching(params, demo_artifacts.quantizers, [PARAM])


@pytest.mark.parametrize(("document", "message"), [
    ({"version": "1.0.0", "activation_encodings": [], "param_encodings": []}, "is of version '1.0.0'.*0.6.1; export"),
    ([], "holds no mapping of encodings; name the model.encodings of an export"),
    ({"metrics": {}}, "has neither activation_encodings nor param_encodings; name the model.encodings"),
    ({"activation_encodings": {}, "param_encodings": {"a:0": [{"bitwidth": 16, "dtype": "float"}]}},
     "'a:0' is of floating-point numbers, and only integers are simulated"),
    ({"activation_encodings": {}, "param_encodings": {"a:0": [
        {"bitwidth": 8.5, "min": -1, "max": 1, "scale": 0.01, "offset": -128, "is_symmetric": "False"}]}},
     "bitwidth is 8.5, not a whole number"),
])
def test_files_that_are_no_encodings_are_named_for_what_they_are(document: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "model.encodings").write_text(json.dumps(document))

    with pytest.raises(StorageError, match=f"model.encodings: .*{message}"):
        encodings_file.read(tmp_path / "model.encodings")


def test_encodings_of_another_network_do_not_suggest_to_rename_tensors(stored: Path, demo_artifacts: Artifacts) -> None:
    document = json.loads(stored.read_text())
    params = document["param_encodings"]
    params["BoxPredictor_9/ClassPredictor_of_another/weights/read:0"] = next(iter(params.values()))
    stored.write_text(json.dumps(document))

    with pytest.raises(ConfigurationError) as caught:
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])

    assert str(caught.value).endswith("; use the checkpoint and the quantizer configuration that the file was made "
                                      "with")


def test_encodings_for_other_channels_are_refused_by_name() -> None:
    quantizer = Quantizer("w_quantized", "w:0", PARAM, 8, Symmetry(), True, "", "weight", 1)
    one = Encoding(-1.0, 1.0, 2.0 / 255, -128, 8)

    with pytest.raises(ConfigurationError, match="w:0 has 3 channels and 1 encodings; use the checkpoint and"):
        simulate._on_grid(np.zeros([2, 3], np.float32), quantizer, [one])
    assert simulate._on_grid(np.zeros([2, 3], np.float32), quantizer, [one] * 3).shape == (2, 3)


@pytest.mark.parametrize(("typed", "said"), [
    ({}, "--model ssd_mobilenet_v2_demo"),
    ({"model": ["{path}"], "baseline_dir": Path("my baselines")}, "--model '{path}' --baseline-dir 'my baselines'"),
    ({"model": ["{path}"], "TFRecord_file_pattern": "val-*", "threads": 2, "shards": "0", "trust_checkpoint": True},
     "--model '{path}' --trust-checkpoint --TFRecord-file-pattern 'val-*'"),
])
def test_hints_repeat_what_the_user_typed_quoted_for_the_shell(typed: Dict[str, Any], said: str, demo: DataPaths,
                                                               tmp_path: Path) -> None:
    path = tmp_path / "my card.yaml"
    path.write_text(_CARD)
    values = Values({key: [str(path)] if value == ["{path}"] else value for key, value in typed.items()})

    request, = requests.resolve(values, lambda _: demo)[0]

    assert request.again() == said.format(path=path)
    assert f"`./run pytest {request.again()} --update-baselines`" in baseline.remedy(request.again())


def test_the_prefix_of_a_training_checkpoint_is_suggested_where_something_near_is_named(tmp_path: Path) -> None:
    trained = ready.TRAINED

    for named in (trained.parent, trained.with_name("model.ckpt-9")):
        with pytest.raises(QuantAccuracyError, match=f"--checkpoint takes the prefix .*share: {trained}$"):
            checkpoint._shapes(named)
    assert checkpoint._shapes(trained)


def test_a_place_that_cannot_be_written_is_named_with_what_to_name_instead(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="Not a directory; name a folder that can be written with --cache-dir"):
        Cache(tmp_path / "file").hold("name")
    with Cache(tmp_path / "folder").hold("name"):
        pass
