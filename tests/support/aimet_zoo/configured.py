"""Quantizers of networks of the zoo by configurations that were drawn at random: AIMET's, and ours.

`tests/reference/aimet_configurations.json` holds the configurations, and AIMET's answer for each network with each.
`python -m tests.support.aimet_zoo.configured FOLDER NETWORK...` writes it, from FOLDER/<configuration>.json and what
AIMET made with each, FOLDER/<network>/<configuration>/aimet.json (as `record` has it, with symmetric, strict and
unsigned for each quantizer).
"""

import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.quantization.records import Settings
from tests.support.places import REFERENCE

ANSWERS = REFERENCE / "aimet_configurations.json"
STOPPED = "error"


def ours(network: Network, configuration: Configuration) -> Dict[str, str]:
    """What the quantizer of each tensor is, by a configuration."""
    quantizers = placement.place_quantizers(network, Settings(configuration=configuration))
    return {q.tensor: _words(q.kind, q.enabled, q.symmetry.symmetric, q.symmetry.strict, q.symmetry.unsigned)
            for q in quantizers}


def _words(kind: str, on: bool, symmetric: bool, strict: bool, unsigned: bool) -> str:
    words = [kind, "on" if on else "off", "symmetric" if symmetric else "", "strict" if strict else "",
             "" if unsigned else "signed"]
    return " ".join(word for word in words if word)


def aimets(answer: Mapping[str, Sequence[str]]) -> Dict[str, str]:
    """AIMET's answer in the form of `ours`."""
    return {tensor: words for words, tensors in answer.items() for tensor in tensors}


def _recorded(path: Path) -> Dict[str, Any]:
    document = json.loads(path.read_text(encoding="utf-8"))
    if "error" in document:
        return {STOPPED: document["error"]}
    grouped: Dict[str, List[str]] = {}
    for tensor, item in document["default"]["quantizers"].items():
        words = _words(item["kind"], item["enabled"], item["symmetric"], item["strict"], item["unsigned"])
        grouped.setdefault(words, []).append(tensor)
    return grouped


def main(folder: Path, networks: Sequence[str]) -> None:
    """Write the file."""
    names = sorted(path.stem for path in folder.glob("*.json"))
    written = _lines({name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in names})
    answers = ",\n".join(f'"{network}": ' + _lines({name: _recorded(folder / network / name / "aimet.json")
                                                   for name in names if (folder / network / name).is_dir()})
                        for network in networks)
    ANSWERS.write_text(f'{{"configurations": {written},\n"answers": {{\n{answers}\n}}}}\n', encoding="utf-8")


def _lines(items: Mapping[str, Any]) -> str:
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(item, separators=(",", ":"))}'
                              for name, item in items.items()) + "\n}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
