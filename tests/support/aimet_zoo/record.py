"""Writes tests/reference/aimet_zoo.json: `python -m tests.support.aimet_zoo.record FOLDER`.

FOLDER is what `python -m tests.support.aimet_zoo.zoo FOLDER` wrote, and in each network's folder what AIMET 1.19.1 made
of the checkpoint: `aimet.json` with `error`, or with, under `default`, the pairs that `fold_all_batch_norms` returns
(`folded`), the BiasAdd behind each op and the tensor that it adds (`new_bias`), and the quantizers of a
`QuantizationSimModel` with its defaults by input tensor (`quantizers`: name, kind, enabled).
"""

import json
import sys
from pathlib import Path
from typing import Any, Dict, Mapping

from tests.support.aimet_zoo import answers
from tests.support.aimet_zoo.answers import Answer
from tests.support.aimet_zoo.zoo import NETWORKS


def recorded(folder: Path) -> Dict[str, Dict[str, Any]]:
    """AIMET's answers for all networks, as they stand in the file."""
    return {name: _answer(folder / name) for name in NETWORKS}


def _answer(folder: Path) -> Dict[str, Any]:
    ends = json.loads((folder / "ends.json").read_text(encoding="utf-8"))
    document = json.loads((folder / "aimet.json").read_text(encoding="utf-8"))
    assert (document["starting_ops"], document["output_ops"]) == (ends["starts"], ends["outputs"]), folder.name
    if "error" in document:
        return {**ends, "error": document["error"]}
    default = document["default"]
    return Answer(ends["starts"], ends["outputs"], [(op, norm) for op, norm in default["folded"]],
                  default["new_bias"],
                  {tensor: _word(tensor, item) for tensor, item in default["quantizers"].items()}).document()


def _word(tensor: str, item: Mapping[str, Any]) -> str:
    assert item["name"] == f"{tensor.rsplit(':', 1)[0]}_quantized", tensor
    return f"{item['kind']} {'on' if item['enabled'] else 'off'}"


if __name__ == "__main__":
    answers.write(recorded(Path(sys.argv[1])))
