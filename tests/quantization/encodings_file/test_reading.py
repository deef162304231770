"""Files of every version: what AIMET wrote is read alike, and what is damaged is named."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest

from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import encodings_file, loading
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encoding, Quantizer
from tests.quantization.encodings_file.conftest import FOLDER, settings

_PLACEMENTS = ("per_tensor_asymmetric_8", "per_channel_symmetric_8", "per_channel_symmetric_w4a16")
_VERSIONS = ("0.6.1", "1.0.0", "2.0.0")
_WEIGHTS = ("conv/weights/read:0", "box/weights/read:0", "cls/weights/read:0")


def _near(found: Encoding, wanted: Encoding) -> bool:
    width = wanted.maximum - wanted.minimum
    return abs(found.minimum - wanted.minimum) + abs(found.maximum - wanted.maximum) <= 1e-6 * width \
        and (found.offset, found.bitwidth) == (wanted.offset, wanted.bitwidth)


@pytest.mark.parametrize("placement", _PLACEMENTS)
def test_the_versions_of_one_export_hold_the_same_encodings(placement: str) -> None:
    first, *others = [encodings_file.read(FOLDER / f"{placement}.{version}.encodings").all() for version in _VERSIONS]

    assert len(first) == 13
    for other in others:
        for tensor, wanted in first.items():
            assert len(other[tensor]) == len(wanted), tensor
            assert all(_near(*pair) for pair in zip(other[tensor], wanted)), tensor


def test_grids_with_and_without_a_sign_are_the_same_here() -> None:
    without, signed = (encodings_file.read(FOLDER / f"per_tensor_asymmetric_8.{version}.encodings").all()
                       for version in ("2.0.0", "2.0.0-signed"))

    assert signed == without
    content = (FOLDER / "per_tensor_asymmetric_8.2.0.0-signed.encodings").read_text()
    assert '"y_zero_point": -128' in content


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize("placement", _PLACEMENTS)
def test_params_load_onto_the_network_and_are_those_of_its_weights(
        placement: str, version: str, network: Network, placed: Callable[[str], List[Quantizer]]) -> None:
    asked = replace(settings(placement), encodings_file=FOLDER / f"{placement}.{version}.encodings", params_only=True)
    quantizers = placed(placement)

    found = loading.load(asked, quantizers, network.graph)

    assert set(found) == {*_WEIGHTS, "dw/depthwise_weights/read:0"}
    nodes = graph_nodes.by_name(network.graph)
    for quantizer in quantizers:
        if quantizer.tensor in found:
            values = graph_nodes.constant(nodes, quantizer.tensor)
            channels = [values] if quantizer.axis is None else list(np.moveaxis(values, quantizer.axis, 0))
            wanted = [_scale(channel, quantizer) for channel in channels]
            assert [encoding.scale for encoding in found[quantizer.tensor]] == pytest.approx(wanted, rel=1e-6)
    (note,) = loading.notes(replace(asked, params_only=False), quantizers, lambda: network.graph)
    assert "const_fold" not in note


def _scale(values: np.ndarray, quantizer: Quantizer) -> float:
    """The step that AIMET 2 makes for weights."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if not quantizer.symmetry.symmetric or low == 0.0:
        return (high - low) / float(2 ** quantizer.bitwidth - 1)
    half = float(2 ** (quantizer.bitwidth - 1))
    return max(-low / half, high / (half - 1))


@pytest.mark.parametrize("version", _VERSIONS)
def test_activations_load_where_every_quantizer_has_one(version: str, network: Network,
                                                       placed: Callable[[str], List[Quantizer]]) -> None:
    placement = "per_tensor_asymmetric_8"
    path = FOLDER / f"{placement}.{version}.encodings"
    stored = encodings_file.read(path)
    quantizers = [replace(q, enabled=q.enabled and (q.kind == PARAM or encodings_file.has(stored, q)))
                  for q in placed(placement)]

    found = loading.load(replace(settings(placement), encodings_file=path), quantizers, network.graph)

    assert {"input:0", "conv/Relu6:0", "concat:0"} <= set(found)
    # A ReLU's range begins at zero, with a sign or without.
    assert found["conv/Relu6:0"][0].minimum == found["conv/Relu6:0"][0].offset == 0
    (note,) = loading.notes(replace(settings(placement), encodings_file=path), quantizers, lambda: network.graph)
    left = encodings_file.left_out(stored, quantizers, [PARAM, ACTIVATION])
    assert f"{len(left) - 1} encodings are of tensors that have no enabled quantizer here, and are left out" in note
    assert "conv/Relu6_min__8" in left
    assert not {*_WEIGHTS, "input:0"} & set(left)


def test_weights_that_were_trained_on_keep_the_names_of_a_converter_which_are_told(
        network: Network, placed: Callable[[str], List[Quantizer]], document: Callable[[str], Dict[str, Any]],
        written: Callable[[Any], Path]) -> None:
    placement = "per_tensor_asymmetric_8"
    content = document(f"{placement}.1.0.0")
    for item in content["param_encodings"]:
        item["scale"] = [item["scale"][0] * 1.01]
    asked = replace(settings(placement), encodings_file=written(content), params_only=True)

    with pytest.raises(ConfigurationError, match=r"no encoding for the enabled param quantizer 'dw/depthwise_weights/"
                                                 r"read:0'; the file has 'const_fold_opt__26', named by a converter"):
        loading.load(asked, placed(placement), network.graph)

    for item in content["param_encodings"]:
        item["name"] = item["name"].replace("const_fold_opt__26", "dw/depthwise_weights/read")
    asked = replace(asked, encodings_file=written(content))
    assert len(loading.load(asked, placed(placement), network.graph)) == 4


@pytest.mark.parametrize(("content", "version"), [
    ({"version": "3.0.0", "encodings": []}, "is of version '3.0.0', and versions up to 2 are read"),
    ({"version": "1.0.0", "metrics": []}, "has neither activation_encodings nor param_encodings"),
    ({"version": "2.0.0", "activation_encodings": []}, "has no list of encodings"),
    ({"version": "2.0.0", "encodings": {"a": 1}}, "has no list of encodings"),
    ({"version": "1.0.0", "param_encodings": {"a:0": []}}, "not readable as an encodings file of version 1.0.0"),
])
def test_a_file_that_is_not_of_its_version_is_named_for_what_it_is(content: Any, version: str,
                                                                   written: Callable[[Any], Path]) -> None:
    with pytest.raises(StorageError, match=version):
        encodings_file.read(written(content))


@pytest.mark.parametrize("version", _VERSIONS)
def test_a_file_that_does_not_say_its_version_is_read_as_what_it_looks_like(
        version: str, document: Callable[[str], Dict[str, Any]], written: Callable[[Any], Path]) -> None:
    content = document(f"per_channel_symmetric_8.{version}")
    wanted = encodings_file.read(written(content))
    del content["version"]

    assert encodings_file.read(written(content)) == wanted


def _harmed(value: Any, chance: random.Random) -> Any:
    """A document with one of its values replaced by something else."""
    places = []

    def walk(node: Any) -> None:
        for key, child in (node.items() if isinstance(node, dict) else enumerate(node)):
            places.append((node, key))
            if isinstance(child, (dict, list)):
                walk(child)

    walk(value)
    node, key = chance.choice(places)
    if isinstance(node, dict) and chance.random() < 0.2:
        del node[key]
    else:
        node[key] = chance.choice([None, "", "x", -1, 0, 1e400, float("nan"), 10 ** 400, True, [], [[1]], {}, "8", 33,
                                   "int8", "float16", -128.5, [1, 2]])
    return value


@pytest.mark.parametrize("version", _VERSIONS)
def test_damaged_fields_are_errors_of_ours_or_harmless(version: str, written: Callable[[Any], Path],
                                                       placed: Callable[[str], List[Quantizer]]) -> None:
    chance, quantizers = random.Random(version), placed("per_channel_symmetric_8")
    text = (FOLDER / f"per_channel_symmetric_8.{version}.encodings").read_text()
    refused = 0
    for _ in range(200):
        path = written(_harmed(json.loads(text), chance))
        said = _said(path, quantizers)
        assert said is None or str(path) in said
        refused += said is not None
    assert refused > 50


def _said(path: Path, quantizers: List[Quantizer]) -> Optional[str]:
    """What is said of a file that is refused; whatever else is raised is a defect."""
    try:
        stored = encodings_file.read(path)
        encodings_file.left_out(stored, quantizers, [PARAM, ACTIVATION])
        encodings_file.matching(stored, quantizers, [PARAM])
    except QuantAccuracyError as error:
        return str(error)
    return None
