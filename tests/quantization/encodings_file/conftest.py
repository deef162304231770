"""Real files of AIMET 2.42, `aimet-onnx`: one small network, exported in every version.

`tests/reference/aimet_onnx/<placement>_<bits>.<version>.encodings`; `w4a16` is 4 bits for params and 16 for
activations. `network.pb` is the TensorFlow graph that tf2onnx took.
"""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.configuration import Configuration, ParamRule
from quant_accuracy.quantization.records import Quantizer, Settings
from tests.support.places import REFERENCE

FOLDER = REFERENCE / "aimet_onnx"


def settings(name: str) -> Settings:
    """The settings that a file of this name was made with."""
    channels = name.startswith("per_channel")
    configuration = Configuration(per_channel=channels, all_params=ParamRule(quantized=True, symmetric=channels))
    bits = (4, 16) if name.endswith("w4a16") else (8, 8)
    return Settings(param_bitwidth=bits[0], output_bitwidth=bits[1], configuration=configuration)


@pytest.fixture(scope="session")
def network() -> Network:
    graph = tf.GraphDef.FromString((FOLDER / "network.pb").read_bytes())
    return Network(graph, ["input"], ["concat"])


@pytest.fixture
def placed(network: Network) -> Callable[[str], List[Quantizer]]:
    """The quantizers of the network for a placement."""
    return lambda name: placement.place_quantizers(network, settings(name))


@pytest.fixture
def document() -> Callable[[str], Dict[str, Any]]:
    """A real file's content, by its name without the ending."""
    return lambda name: json.loads((FOLDER / f"{name}.encodings").read_text())


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a document to a file of its own."""
    def write(content: Any) -> Path:
        path = tmp_path / "given.encodings"
        path.write_text(json.dumps(content))
        return path

    return write
