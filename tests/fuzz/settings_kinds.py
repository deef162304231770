"""Settings that people and other programs write: model cards, quantizer configurations, encodings."""

import math
from pathlib import Path
from random import Random
from typing import Any, Dict, Sequence

import yaml

from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import configuration, encodings_file, placement
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Quantizer, Settings
from quant_accuracy.settings import card
from quant_accuracy.settings import options as project
from quant_accuracy.settings.card_files import SHIPPED
from tests.fuzz import mutations
from tests.fuzz.kind import Kind, at, json_kind
from tests.fuzz.networks import OUTPUTS, network


def card_kind(_: Path) -> Kind:
    """Model cards: values are those that may be."""
    text = (SHIPPED / f"{project.DEMO_CARD}.yaml").read_text(encoding="utf-8")
    document = {**yaml.safe_load(text), "quantization": {
        "scheme": "tf", "param_bitwidth": 8, "output_bitwidth": 8,
        "overrides": {"concat:0": {"bitwidth": 16, "symmetric": True, "enabled": True}}}}

    def damage(random: Random) -> bytes:
        kind = random.randrange(6)
        if kind == 0:
            return mutations.any_bytes(random, text.encode())
        if kind == 1:
            return random.choice(_ODD_YAML).replace("CARD", text).encode()
        # JSON is YAML; what JSON cannot say comes as the bytes of YAML.
        content = mutations.as_text(mutations.document(random, document))
        return mutations.any_bytes(random, content) if kind == 2 else content

    return Kind(at("card.yaml"), damage, _use_card)


_LAUGHS = "\n".join([f"l0: &l0 {['ha'] * 9}",
                     *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))])
_ODD_YAML = (
    "CARD\nassumptions: !!python/object/apply:os.system ['touch /tmp/fuzzed']\n", "name: !!python/name:os.system\nCARD",
    f"{_LAUGHS}\nCARD", "gates: &a {mAP_floor: *a}\nCARD", f"{_LAUGHS}\nname: *l11\n", "CARD\n" * 2,
    "--- \nCARD\n---\nCARD",
    "? [a, b]\n: c\nCARD", "1: 2\nCARD", "name: 2019-01-03\n", "name: !!binary aGFsbG8=\n", "<<: {name: x}\nCARD",
    "CARD\ninput: {height: 0x7fffffffffffffff, width: 1e3}\n", "CARD\ncalibration: {images: 1:30:00}\n", "&a [*a]\n",
    "CARD\n" + "[" * 5000, "CARD\nname: " + "9" * 50000 + "\n", "%YAML 9.9\n---\nCARD", "\t", "name: \"\\ud800\"\nCARD",
    "CARD\ndata: {pattern: \"\\0\"}\n", "CARD\nquantization: {config: ../../../../etc/passwd}\n",
    "CARD\nquantization: {config: \"a\\0b\"}\n", "CARD\nquantization: {config: /dev/null}\n",
)


def _use_card(path: Path) -> None:
    found = card.load(str(path))
    assert 1 <= found.height <= 4096
    assert 1 <= found.width <= 4096
    assert 1 <= found.calibration_images <= 100000
    assert 2 <= found.quantization.param_bitwidth <= 16
    assert 2 <= found.quantization.output_bitwidth <= 16
    assert all(gate.limit is None or math.isfinite(gate.limit) for gate in found.gates)
    assert found.label().startswith(found.name)
    assert "/" not in found.label()
    assert found.graph.output_ops
    assert all(isinstance(value, str) for value in found.data.values())


def configuration_kind(_: Path) -> Kind:
    """Quantizer configurations: they place quantizers, and can be written and read again."""
    rule = {"is_input_quantized": "True", "is_output_quantized": "True", "is_symmetric": "False"}
    document = {
        "defaults": {"ops": dict(rule), "params": {"is_quantized": "True", "is_symmetric": "True"},
                     "strict_symmetric": "False", "unsigned_symmetric": "True", "per_channel_quantization": "False"},
        "params": {"bias": {"is_quantized": "False"}, "weight": {"is_symmetric": "True"}},
        "op_type": {"Conv": {**rule, "params": {"weight": {"is_quantized": "True"}}}, "Add": dict(rule)},
        "supergroups": [{"op_list": ["Conv", "Relu"]}, {"op_list": ["Add", "Relu"]}],
        "model_input": {"is_input_quantized": "True"}, "model_output": {"is_output_quantized": "True"}}
    graph = network()

    def use(path: Path) -> None:
        found = configuration.load(path)
        placed = placement.place_quantizers(Network(graph, "start", OUTPUTS), Settings(configuration=found))
        assert {q.kind for q in placed} <= {PARAM, ACTIVATION}
        assert len({q.name for q in placed}) == len(placed)
        configuration.write(path.with_name("again.json"), found)
        assert configuration.load(path.with_name("again.json")) == found

    return json_kind("configuration.json", document, use)


def encodings_kind(folder: Path) -> Kind:
    """Encodings: numbers that can be used, for quantizers that are there."""
    def item(low: float, high: float) -> Dict[str, Any]:
        return {"bitwidth": 8, "is_symmetric": "False", "max": high, "min": low, "offset": -10.0,
                "scale": (high - low) / 255}

    return _encodings({"version": encodings_file.VERSION,
                       **{section: {tensor: [item(-1.0, 2.0)] for tensor in tensors}
                          for section, tensors in _sections().items()}})


def encodings_lists_kind(folder: Path) -> Kind:
    """Encodings of version 1.0.0."""
    item = {"bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": False, "offset": [-85.0], "scale": [3 / 255]}
    return _encodings({"version": "1.0.0", **{section: [{"name": tensor, **item} for tensor in tensors]
                                              for section, tensors in _sections().items()}})


def encodings_grids_kind(folder: Path) -> Kind:
    """Encodings of version 2.0.0."""
    item = {"output_dtype": "int8", "y_scale": 3 / 255, "y_zero_point": -43}
    return _encodings({"version": "2.0.0", "encodings": [{"name": tensor, **item} for tensors in _sections().values()
                                                         for tensor in tensors]})


def _placed() -> Sequence[Quantizer]:
    return placement.place_quantizers(Network(network(), "start", OUTPUTS), Settings())


def _sections() -> Dict[str, Sequence[str]]:
    return {section: [q.tensor for q in _placed() if q.enabled and q.kind == kind]
            for kind, section in ((ACTIVATION, "activation_encodings"), (PARAM, "param_encodings"))}


def _encodings(document: Any) -> Kind:
    quantizers = _placed()

    def use(path: Path) -> None:
        stored = encodings_file.read(path)
        for kind in ([PARAM], [PARAM, ACTIVATION]):
            found = encodings_file.matching(stored, quantizers, kind)
            assert set(found) == {q.tensor for q in quantizers if q.enabled and q.kind in kind}
            assert not set(found) & set(encodings_file.left_out(stored, quantizers, kind))
            for encoding in (encoding for items in found.values() for encoding in items):
                assert -math.inf < encoding.minimum < encoding.maximum < math.inf
                assert encoding.scale > 0
                assert encoding.bitwidth == 8
                assert abs(encoding.offset) <= 2 ** 32

    return json_kind("model.encodings", document, use)
