"""Encodings of newer versions for quantizers: symmetry, channels, and names that are nobody's."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantizer, Symmetry

_WEIGHT = "cls/weights/read:0"


@pytest.fixture
def quantizers(placed: Callable[[str], List[Quantizer]]) -> List[Quantizer]:
    """The quantizers of two weights and an activation."""
    return [q for q in placed("per_tensor_asymmetric_8") if q.tensor in (_WEIGHT, "box/weights/read:0", "input:0")]


def _grid(name: str, **changes: Any) -> Dict[str, Any]:
    return {"name": name, "output_dtype": "int8", "y_scale": 0.5, **changes}


def _grids(*items: Dict[str, Any]) -> Dict[str, Any]:
    return {"version": "2.0.0", "encodings": [_grid(_WEIGHT), _grid("box/weights/read:0"), *items]}


def _list(name: str, **changes: Any) -> Dict[str, Any]:
    return {"name": name, "dtype": "INT", "bw": 8, "enc_type": "PER_TENSOR", "is_sym": False, "scale": [0.5],
            "offset": [-128], **changes}


def _symmetric(quantizers: List[Quantizer], **symmetry: bool) -> List[Quantizer]:
    return [replace(q, symmetry=Symmetry(symmetric=True, **symmetry)) for q in quantizers]


def test_a_grid_that_does_not_say_whether_it_is_symmetric_is_what_its_quantizer_is(
        quantizers: List[Quantizer], written: Callable[[Any], Path]) -> None:
    stored = encodings_file.read(written(_grids()))

    asymmetric = encodings_file.matching(stored, quantizers, [PARAM])
    symmetric = encodings_file.matching(stored, _symmetric(quantizers), [PARAM])

    assert {e.symmetric for e, in asymmetric.values()} == {False}
    assert {e.symmetric for e, in symmetric.values()} == {True}


@pytest.mark.parametrize(("point", "symmetry", "fits"), [
    (0, {}, True), (-128, {}, True), (-128, {"unsigned": False}, False), (3, {}, False), (-1, {"strict": True}, True)])
def test_a_symmetric_quantizer_takes_only_a_grid_that_is(point: int, symmetry: Dict[str, bool], fits: bool,
                                                        quantizers: List[Quantizer],
                                                        written: Callable[[Any], Path]) -> None:
    stored = encodings_file.read(written(_grids(_grid("input:0"))))
    stored = stored._replace(by_kind={kind: {**given, _WEIGHT: tuple(
        replace(e, offset=-128 - point, minimum=0.5 * (-128 - point)) for e in given[_WEIGHT])}
        for kind, given in stored.by_kind.items()})

    if fits:
        assert encodings_file.matching(stored, _symmetric(quantizers, **symmetry), [PARAM])
    else:
        with pytest.raises(ConfigurationError, match=f"{_WEIGHT!r} is asymmetric .*, its quantizer symmetric"):
            encodings_file.matching(stored, _symmetric(quantizers, **symmetry), [PARAM])


def test_channels_and_their_quantizers_have_to_agree_and_the_setting_is_named(
        quantizers: List[Quantizer], written: Callable[[Any], Path]) -> None:
    per_channel = [replace(q, axis=3) for q in quantizers]
    channels = encodings_file.read(written({"version": "2.0.0", "encodings": [
        _grid(_WEIGHT, y_scale=[0.5, 1], axis=0), _grid("box/weights/read:0", y_scale=[0.5, 1], axis=0)]}))

    assert len(encodings_file.matching(channels, per_channel, [PARAM])[_WEIGHT]) == 2
    with pytest.raises(ConfigurationError, match='has 2 encodings, .*per_channel_quantization to "True"'):
        encodings_file.matching(channels, quantizers, [PARAM])
    with pytest.raises(ConfigurationError, match='has one encoding, .*per_channel_quantization to "False"'):
        encodings_file.matching(encodings_file.read(written(_grids())), per_channel, [PARAM])


def test_a_list_of_all_tensors_is_not_asked_for_those_between_quantizers(quantizers: List[Quantizer],
                                                                         written: Callable[[Any], Path]) -> None:
    stored = encodings_file.read(written(_grids(_grid("input"), _grid("somewhere:0"), _grid("Conv__5:0"))))

    found = encodings_file.matching(stored, quantizers, [PARAM, ACTIVATION])

    assert set(found) == {_WEIGHT, "box/weights/read:0", "input:0"}
    assert encodings_file.left_out(stored, quantizers, [PARAM]) == ["somewhere:0", "Conv__5:0"]


def test_in_other_versions_only_what_a_converter_named_is_nobodys(quantizers: List[Quantizer],
                                                                  written: Callable[[Any], Path]) -> None:
    items = [_list(_WEIGHT), _list("box/weights/read"), _list("const_fold_opt__5")]
    document = {"version": "1.0.0", "activation_encodings": [], "param_encodings": items}
    stored = encodings_file.read(written(document))

    assert set(encodings_file.matching(stored, quantizers, [PARAM])) == {_WEIGHT, "box/weights/read:0"}
    assert encodings_file.left_out(stored, quantizers, [PARAM]) == ["const_fold_opt__5"]

    items.append(_list("bax/weights/read:0"))
    with pytest.raises(ConfigurationError, match="'bax/weights/read:0' is not an enabled param quantizer"):
        encodings_file.matching(encodings_file.read(written(document)), quantizers, [PARAM])


def test_a_misspelt_name_is_asked_for(quantizers: List[Quantizer], written: Callable[[Any], Path]) -> None:
    document = {"version": "2.0.0", "encodings": [_grid(_WEIGHT), _grid("box/weihgts/read:0")]}

    with pytest.raises(ConfigurationError, match="no encoding for the enabled param quantizer 'box/weights/read:0'; "
                                                 "did you mean it by 'box/weihgts/read:0'"):
        encodings_file.matching(encodings_file.read(written(document)), quantizers, [PARAM])


def test_bits_have_to_be_those_of_the_quantizer(quantizers: List[Quantizer], written: Callable[[Any], Path]) -> None:
    document = _grids()
    document["encodings"][0]["output_dtype"] = "int32"

    with pytest.raises(ConfigurationError, match="has 32 bits, its quantizer 8; use the bit widths"):
        encodings_file.matching(encodings_file.read(written(document)), quantizers, [PARAM])
