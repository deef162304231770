"""Encodings of a bundle against those of a simulation: the same to rounding, or the tensors that differ."""

from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.base import files
from quant_accuracy.device.exchange import encodings
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.records import ACTIVATION, Encoding, Encodings, Quantization, Quantizer, Symmetry

_ONE = Encoding(-1.0, 1.0, 2 / 255, -128, 8)


def _written(path: Path, found: Encodings) -> str:
    quantizers = [Quantizer(f"{name}_q", name, ACTIVATION, one[0].bitwidth, Symmetry(), True, "") for name, one
                  in found.items()]
    encodings_file.write(path, Quantization(quantizers, found))
    return files.digest_file(path)


@pytest.mark.parametrize(("here", "said"), [
    ({"a:0": (_ONE,), "b:0": (_ONE,)}, []),
    ({"a:0": (replace(_ONE, maximum=1 + 1e-7),), "b:0": (_ONE,)}, []),
    ({"a:0": (replace(_ONE, maximum=1.1),), "b:0": (_ONE,)},
     ["other encodings of 1 tensors (a:0 -1 .. 1 there, -1 .. 1.1 here)"]),
    ({"a:0": (_ONE,)}, ["other encodings of 1 tensors (b:0 is quantized only there)"]),
    ({"a:0": (replace(_ONE, bitwidth=4),), "b:0": (_ONE,), "c:0": (_ONE,)},
     ["other encodings of 2 tensors (a:0 has 8 bits there, 4 here; c:0 is quantized only here)"]),
    ({"a:0": (_ONE, _ONE), "b:0": (_ONE,)}, ["other encodings of 1 tensors (a:0 has 1 encodings there, 2 here)"]),
])
def test_what_differs_is_told_by_tensor(tmp_path: Path, here: Encodings, said: object) -> None:
    path = tmp_path / "model.encodings"
    digest = _written(path, {"a:0": (_ONE,), "b:0": (_ONE,)})

    assert encodings.differences(path, digest, here) == said


def test_a_file_that_was_changed_says_nothing_about_the_bundle(tmp_path: Path) -> None:
    path = tmp_path / "model.encodings"
    _written(path, {"a:0": (_ONE,)})

    (said,) = encodings.differences(path, "0" * 64, {"a:0": (_ONE,)})

    assert "is changed" in said
