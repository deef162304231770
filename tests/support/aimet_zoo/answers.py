"""What becomes of a network: AIMET's answer, and ours, in one form.

`tests/reference/aimet_zoo.json` holds AIMET's, a line for each network, as `Answer.document` writes them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from quant_accuracy.folding import fold
from quant_accuracy.freezing import load
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.records import Settings
from tests.support.aimet_zoo.zoo import Checkpoint
from tests.support.places import REFERENCE

ANSWERS = REFERENCE / "aimet_zoo.json"


@dataclass(frozen=True)
class Answer:
    """A network, folded and with its quantizers.

    Attributes:
        starts: Its starting ops.
        outputs: Its output ops.
        folded: (op, batch norm) of each that was folded, in order.
        biases: For each of them the BiasAdd behind the op, and the tensor that it adds.
        quantizers: For each tensor the kind of its quantizer, and whether it is on: `param on`, `activation off`.
    """

    starts: Sequence[str]
    outputs: Sequence[str]
    folded: Sequence[Tuple[str, str]]
    biases: Mapping[str, Tuple[str, str]]
    quantizers: Mapping[str, str]

    @property
    def on(self) -> int:
        """How many quantizers are on."""
        return sum(word.endswith(" on") for word in self.quantizers.values())

    def document(self) -> Dict[str, Any]:
        """As it stands in the file."""
        kinds: Dict[str, List[str]] = {}
        for tensor, word in self.quantizers.items():
            kinds.setdefault(word, []).append(tensor)
        return {"starts": list(self.starts), "outputs": list(self.outputs),
                "folded": [[op, norm, *self.biases[op]] for op, norm in self.folded], "quantizers": kinds}


@dataclass(frozen=True)
class Stopped:
    """A network at which AIMET stops.

    Attributes:
        starts: Its starting ops.
        outputs: Its output ops.
        error: What AIMET says.
    """

    starts: Sequence[str]
    outputs: Sequence[str]
    error: str


def aimets() -> Mapping[str, Any]:
    """AIMET's answers by network, each an Answer or Stopped."""
    return {name: _read(item) for name, item in json.loads(ANSWERS.read_text(encoding="utf-8")).items()}


def _read(item: Mapping[str, Any]) -> Any:
    if "error" in item:
        return Stopped(item["starts"], item["outputs"], item["error"])
    return Answer(item["starts"], item["outputs"],
                  [(op, norm) for op, norm, _, _ in item["folded"]],
                  {op: (bias_add, bias) for op, _, bias_add, bias in item["folded"]},
                  {tensor: word for word, tensors in item["quantizers"].items() for tensor in tensors})


def ours(checkpoint: Checkpoint) -> Answer:
    """What is made of a checkpoint here.

    Raises:
        QuantAccuracyError: It cannot be folded or quantized.
    """
    frozen = load.load_frozen(checkpoint.prefix, checkpoint.outputs)
    result = fold.fold_batch_norms(Network(frozen, checkpoint.starts, checkpoint.outputs))
    network = Network(result.graph, checkpoint.starts, checkpoint.outputs)
    nodes = network.nodes()
    return Answer(checkpoint.starts, checkpoint.outputs,
                  [(item.convolution, item.batch_norm) for item in result.folded],
                  {item.convolution: (item.output, f"{nodes[item.output].input[1]}:0") for item in result.folded},
                  {item.tensor: f"{item.kind} {'on' if item.enabled else 'off'}"
                   for item in placement.place_quantizers(network, Settings())})


def written(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """The file: one line a network."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(item, separators=(',', ':'))}"
                       for name, item in answers.items())
    return "{\n" + lines + "\n}\n"


def write(answers: Mapping[str, Mapping[str, Any]], path: Path = ANSWERS) -> None:
    """Write the file anew."""
    path.write_text(written(answers), encoding="utf-8")
