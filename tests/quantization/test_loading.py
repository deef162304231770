"""Encodings loaded onto a network: only where they are those of its tensors."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.quantization import loading
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import PARAM, Encodings, Settings
from tests.support import two_branches
from tests.support.two_branches import Branches

_BIASES_TOO = Settings(configuration=Configuration(params={}))


@pytest.fixture(scope="module")
def branches(tmp_path_factory: Any) -> Branches:
    return two_branches.make(Path(tmp_path_factory.mktemp("branches")))


def _load(branches: Branches, path: Path, **settings: Any) -> Encodings:
    return loading.load(Settings(encodings_file=path, **settings), branches.quantization.quantizers,
                        branches.network.graph)


@pytest.mark.parametrize("params_only", [False, True])
def test_an_export_of_the_same_network_loads(branches: Branches, tmp_path: Path, params_only: bool) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")

    found = _load(branches, path, params_only=params_only)

    params = {q.tensor for q in branches.quantization.quantizers if q.kind == PARAM}
    assert found == {tensor: given for tensor, given in branches.quantization.encodings.items()
                     if tensor in params or not params_only}
    assert branches.added("a") in branches.quantization.encodings


def test_an_export_of_weights_that_were_trained_on_loads(branches: Branches, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = two_branches.make(tmp_path / "other", seed=1)

    assert _load(branches, two_branches.write_export(other, tmp_path / "export")) == other.quantization.encodings


def test_an_export_whose_numbered_names_belong_to_other_tensors_is_refused_with_both_names(branches: Branches,
                                                                                          tmp_path: Path) -> None:
    path = two_branches.write_export(branches, tmp_path / "export", permuted=True)

    with pytest.raises(ConfigurationError) as caught:
        _load(branches, path)

    said, here, there = str(caught.value), branches.added("a"), branches.added("c")
    assert said.startswith(f"{path}: belongs to another network, as model.meta beside it tells: {there!r} is "
                           "the BiasAdd behind 'a/Conv2D'")
    assert "there, and the BiasAdd behind 'c/Conv2D'" in said
    assert f"({here!r} is what it is there)" in said
    assert said.endswith("which writes DIR/model.encodings")
    # The weights have names of their own.
    assert _load(branches, path, params_only=True)


def test_quantized_biases_whose_numbers_are_others_are_refused_with_the_graph_and_without(tmp_path: Path) -> None:
    branches = two_branches.make(tmp_path, settings=_BIASES_TOO)
    path = two_branches.write_export(branches, tmp_path / "export", permuted=True)

    first, last = sorted([branches.bias("a"), branches.bias("c")])
    with pytest.raises(ConfigurationError, match=r"'bias_value\S*/read:0' is a param of '[ac]/Conv2D'.* '[ac]/Conv2D'"):
        _load(branches, path, params_only=True)
    (path.parent / "model.meta").unlink()
    with pytest.raises(ConfigurationError, match=f"'({first}|{last})', .* is that of '({first}|{last})' of this netw"):
        _load(branches, path, params_only=True)


def test_layers_that_changed_their_names_are_refused(branches: Branches, tmp_path: Path) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    _change(path.parent / "model.meta", lambda name: {"a": "b", "b": "a"}.get(name[:1], name[:1]) + name[1:]
            if name[1:2] == "/" and name.endswith("Conv2D") else name)

    with pytest.raises(ConfigurationError, match=r"'a/weights/read:0' is a param of 'b/Conv2D'.*of 'a/Conv2D'"):
        _load(branches, path)


def _change(meta: Path, name_of: Callable[[str], str]) -> None:
    document = tf.MetaGraphDef.FromString(meta.read_bytes())
    for node in document.graph_def.node:
        node.name = name_of(node.name)
        node.input[:] = [name_of(reference) for reference in node.input]
    meta.write_bytes(document.SerializeToString())


def test_another_width_is_another_network(branches: Branches, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    wide = two_branches.make(tmp_path / "other", channels=6)

    with pytest.raises(ConfigurationError, match=r"shape \[3, 3, 3, 6\] there, and .*shape \[3, 3, 3, 4\] here"):
        _load(branches, two_branches.write_export(wide, tmp_path / "export"))


def test_a_graph_that_is_not_that_of_the_encodings_is_named(branches: Branches, tmp_path: Path) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    shutil.copy(f"{branches.prefix}.meta", str(path.parent / "model.meta"))

    with pytest.raises(ConfigurationError, match="'bias_value.*', which is not in the graph beside it, model.meta"):
        _load(branches, path)


@pytest.mark.parametrize("damage", [
    lambda content: content[:len(content) // 2], lambda content: b"", lambda content: b"\xff" * 100,
    lambda content: content[100:],
], ids=["half", "empty", "no graph", "its beginning is gone"])
def test_a_damaged_graph_beside_the_file_is_named_in_one_line(branches: Branches, tmp_path: Path,
                                                              damage: Callable[[bytes], bytes]) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    meta = path.parent / "model.meta"
    meta.write_bytes(damage(meta.read_bytes()))

    with pytest.raises(StorageError) as caught:
        _load(branches, path)

    assert str(caught.value).startswith(f"{meta}: ")
    assert "\n" not in str(caught.value)
    assert "copy the whole export again, or make it again with" in str(caught.value)


@pytest.mark.parametrize("position", range(0, 4000, 97))
def test_a_graph_with_one_wrong_byte_loads_or_is_refused_in_one_line(branches: Branches, tmp_path: Path,
                                                                     position: int) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    content = bytearray((path.parent / "model.meta").read_bytes())
    content[position % len(content)] ^= 0x15
    (path.parent / "model.meta").write_bytes(bytes(content))

    message = ""
    try:
        assert _load(branches, path) == branches.quantization.encodings
    except QuantAccuracyError as error:
        message = str(error)

    assert "\n" not in message


@pytest.mark.parametrize("name", ["model.encodings", "model.encodings.yaml", "model.json"])
def test_the_graph_beside_a_file_has_its_name(tmp_path: Path, name: str) -> None:
    assert loading.graph_beside(tmp_path / name) is None
    (tmp_path / "model.meta").write_bytes(b"")
    assert loading.graph_beside(tmp_path / name) == tmp_path / "model.meta"
    assert loading.graph_beside(tmp_path / f"other.{name}") is None


def test_what_cannot_be_checked_without_the_graph_is_said(branches: Branches, tmp_path: Path) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    settings = Settings(encodings_file=path)

    assert loading.unchecked(Settings()) is None
    assert loading.unchecked(settings) is None
    (path.parent / "model.meta").unlink()
    assert _load(branches, path) == branches.quantization.encodings
    said = loading.unchecked(settings)
    assert said is not None
    assert re.match(f"{path}: 2 encodings are of tensors that folding has numbered .bias_value_[135]:0 and so", said)
    assert loading.unchecked(replace(settings, params_only=True)) is None


@pytest.mark.parametrize("swapped", [["a/weights/read:0", "b/weights/read:0"]])
def test_encodings_of_weights_under_each_others_names_are_refused(branches: Branches, tmp_path: Path,
                                                                  swapped: List[str]) -> None:
    path = two_branches.write_export(branches, tmp_path / "export")
    document: Dict[str, Any] = json.loads(path.read_text())
    params, (one, other) = document["param_encodings"], swapped
    params[one], params[other] = params[other], params[one]
    path.write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match=f"the encoding of '{one}', .*, is that of '{other}' of this network"):
        _load(branches, path)
