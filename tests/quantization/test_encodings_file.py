"""Files of encodings: round trips, other writers, and what is refused by name."""

import json
from pathlib import Path
from typing import Any, Callable, Dict

import numpy as np
import pytest
import yaml

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import (
    ConfigurationError,
    StorageError,
)
from quant_accuracy.quantization import assumptions, encodings_file
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding


@pytest.fixture
def stored(demo_artifacts: Artifacts, tmp_path: Path) -> Path:
    """The demo's encodings, in a file of their own."""
    path = tmp_path / "given.encodings"
    encodings_file.write(path, demo_artifacts.quantization)
    return path


def test_encodings_make_a_round_trip(stored: Path, demo_artifacts: Artifacts) -> None:
    found = encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM, ACTIVATION])

    assert found == demo_artifacts.encodings


_WEIGHT = "BoxPredictor_0/ClassPredictor/weights/read:0"


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"max": float("nan")}, StorageError, "max nan, scale .* are not all finite"),
    ({"min": 3.0, "max": -3.0}, StorageError, "the range 3.0 .. -3.0 is inverted"),
    ({"min": 3.0, "max": 9.0}, StorageError, "does not hold zero"),
    ({"scale": 5.0}, StorageError, "the scale 5.0 is not the range"),
    ({"bitwidth": 99}, StorageError, "99 is not a bit width"),
    ({"is_symmetric": "maybe"}, StorageError, "not readable as an encodings file"),
    ({"is_symmetric": "True"}, ConfigurationError, "is symmetric, its quantizer asymmetric"),
    ({"bitwidth": 4, "scale": None}, ConfigurationError, "has 4 bits, its quantizer 8"),
])
def test_a_wrong_encoding_is_refused_by_name(stored: Path, demo_artifacts: Artifacts, change: Dict[str, Any],
                                             error: type, message: str) -> None:
    document = json.loads(stored.read_text())
    item = document["param_encodings"][_WEIGHT][0]
    item.update(change)
    if item["scale"] is None:
        item["scale"] = (item["max"] - item["min"]) / (2 ** item["bitwidth"] - 1)
    stored.write_text(json.dumps(document))

    with pytest.raises(error, match=message):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])


@pytest.mark.parametrize(("end", "loads"), [(-1.4e-17, True), (0.0, True), (1e-9, True), (-2.0 / 255, False)])
def test_what_the_loader_takes_the_check_of_encodings_takes(stored: Path, demo_artifacts: Artifacts, end: float,
                                                           loads: bool) -> None:
    document = json.loads(stored.read_text())
    item = document["param_encodings"][_WEIGHT][0]
    item.update(min=-1.0, max=end, scale=(end + 1.0) / 255, offset=-255)
    stored.write_text(json.dumps(document))
    given = Encoding(-1.0, end, item["scale"], -255, 8)

    assert (assumptions.wrong_range([given]) is None) == loads
    if loads:
        assert encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers,
                                       [PARAM])[_WEIGHT] == (given,)
    else:
        with pytest.raises(StorageError, match="does not hold zero"):
            encodings_file.read(stored)


def test_unknown_and_missing_encodings_are_refused_by_name(stored: Path, demo_artifacts: Artifacts) -> None:
    document = json.loads(stored.read_text())
    params = document["param_encodings"]
    params[_WEIGHT.replace("read", "reed")] = params[_WEIGHT]
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="reed:0' is not an enabled param quantizer.*did you mean .*read:0"):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])

    del params[_WEIGHT.replace("read", "reed")], params[_WEIGHT]
    stored.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match=f"no encoding for the enabled param quantizer '{_WEIGHT}'"):
        encodings_file.matching(encodings_file.read(stored), demo_artifacts.quantizers, [PARAM])


def test_an_offset_that_is_not_that_of_the_range_is_refused(tmp_path: Path) -> None:
    item = {"bitwidth": 8, "is_symmetric": "False", "max": 2.0, "min": -1.0, "offset": -1e30, "scale": 3 / 255}
    (tmp_path / "model.encodings").write_text(json.dumps({"activation_encodings": {"a:0": [item]},
                                                          "param_encodings": {}}))

    with pytest.raises(StorageError, match="the offset -1.*is not that of any range"):
        encodings_file.read(tmp_path / "model.encodings")


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


def test_the_yaml_that_aimet_writes_holds_objects_of_numpy_and_is_read(stored: Path,
                                                                       demo_artifacts: Artifacts) -> None:
    document = json.loads(stored.read_text())
    for section in (document["activation_encodings"], document["param_encodings"]):
        for (encoding,) in section.values():
            encoding.update({key: np.float64(encoding[key]) for key in ("min", "max", "scale", "offset")})
    text = yaml.dump(document)
    path = stored.parent / "model.encodings.yaml"

    path.write_text(text)
    # numpy 2 calls the module _core.
    scalar = "numpy._core.multiarray.scalar" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" \
        else "numpy.core.multiarray.scalar"
    assert scalar in text
    assert encodings_file.read(path).all() == demo_artifacts.encodings

    for harm in (("- f8", "- O8"), (scalar, "os.system"), ("!!binary |", "")):
        path.write_text(text.replace(*harm))
        with pytest.raises(StorageError, match="not readable as an encodings file"):
            encodings_file.read(path)


@pytest.mark.parametrize(("document", "message"), [
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
