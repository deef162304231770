"""Quantizer configurations, and quantizers placed by them."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import configuration, placement
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Override, Quantizer, Settings

_AIMETS = Configuration()
DEFAULT: Dict[str, Any] = {
    "defaults": {"ops": {"is_output_quantized": "True"}, "params": {"is_quantized": "True"},
                 "strict_symmetric": "False", "unsigned_symmetric": "True", "per_channel_quantization": "False"},
    "params": {"bias": {"is_quantized": "False"}},
    "op_type": {},
    "supergroups": [{"op_list": ["Conv", "Relu"]}, {"op_list": ["Conv", "Clip"]}, {"op_list": ["Add", "Relu"]},
                    {"op_list": ["Gemm", "Relu"]}],
    "model_input": {"is_input_quantized": "True"},
    "model_output": {},
}


def written(folder: Path, document: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    return path


def loaded(folder: Path, **changes: Any) -> Configuration:
    return configuration.load(written(folder, {**DEFAULT, **changes}))


def place(network: tf.GraphDef, configured: Configuration = _AIMETS, *overrides: Override) -> List[Quantizer]:
    settings = Settings(configuration=configured, overrides=overrides)
    return placement.place_quantizers(Network(network, "images", ["dense/BiasAdd"]), settings)


def enabled(quantizers: Sequence[Quantizer]) -> List[str]:
    return [quantizer.tensor for quantizer in quantizers if quantizer.enabled]


DEFAULT_ENABLED = ["images:0", "first/weights:0", "first/Relu:0", "deep/weights:0", "deep/Relu6:0", "joined:0",
                   "squashed:0", "pooled:0", "dense/weights:0", "dense/BiasAdd:0"]
