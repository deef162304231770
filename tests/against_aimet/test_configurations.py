"""Quantizers by configurations that were drawn at random, as the real AIMET 1.19.1 places them."""

import contextlib
import json
from pathlib import Path
from typing import Any, Dict

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import configuration
from tests.support.aimet_zoo import configured
from tests.support.aimet_zoo.zoo import NETWORKS, write_checkpoint

_AIMET: Dict[str, Any] = json.loads(configured.ANSWERS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", _AIMET["answers"])
def test_quantizers_are_those_of_aimet_by_every_configuration(name: str, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(NETWORKS[name], tmp_path)
    frozen = load.load_frozen(checkpoint.prefix, checkpoint.outputs)
    folded = fold.fold_batch_norms(Network(frozen, checkpoint.starts, checkpoint.outputs))
    network = Network(folded.graph, checkpoint.starts, checkpoint.outputs)

    for number, answer in _AIMET["answers"][name].items():
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(_AIMET["configurations"][number]), encoding="utf-8")

        if configured.STOPPED in answer:
            with contextlib.suppress(ConfigurationError):
                configured.ours(network, configuration.load(path))
        else:
            assert configured.ours(network, configuration.load(path)) == configured.aimets(answer), number


def test_the_configurations_have_all_that_aimet_can_be_told() -> None:
    documents = list(_AIMET["configurations"].values())

    assert {types for document in documents for types in document["op_type"]} >= {"Conv", "Gemm", "Relu", "Add", "Mul"}
    assert {len(group["op_list"]) for document in documents for group in document["supergroups"]} == {2, 3}
    said = {(kind, key) for document in documents for kind, rule in document["params"].items() for key in rule}
    assert said == {(kind, key) for kind in ("weight", "bias") for key in ("is_quantized", "is_symmetric")}
    assert {bool(document["model_output"]) for document in documents} == {True, False}
