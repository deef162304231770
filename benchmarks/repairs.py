"""What `quant-accuracy repair` makes of red cards of the demo.

    ./run python -m benchmarks.repairs [NAME ...]    some rows, or all, into the table of docs/repair.md
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from benchmarks import spoiled
from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import KEEP, REPLACE
from quant_accuracy.commands import console
from quant_accuracy.demo import ready
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.quantization import configuration
from quant_accuracy.quantization.configuration import Configuration
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import options
from quant_accuracy.settings.request import Request

PAGE = ROOT / "docs" / "repair.md"
BEGIN, END = "<!-- the table of repairs -->", "<!-- end of the table of repairs -->"
_FOLDER = ROOT / ".cache" / "repairs"
_LOW = "FeatureExtractor/MobilenetV2/expanded_conv_8/add:0"
_WEIGHTS = "equalization,bias-correction,adaround"
_MIXED = "equalization,bias-correction,mixed-precision"


@dataclass(frozen=True, eq=False)
class Row:
    """A red card, and what may be tried on it.

    Attributes:
        name: Names it, and its card.
        what: What is wrong with it.
        quantization: What its card says.
        remedies: What may be tried; empty for all.
        options: Other options of the command.
    """

    name: str
    what: str
    quantization: Dict[str, Any]
    remedies: str
    options: Tuple[str, ...] = ()


ROWS = (
    Row("w4a8", "W4A8 per tensor", {"param_bitwidth": 4}, _WEIGHTS),
    Row("w4a8_mixed", "W4A8 per tensor", {"param_bitwidth": 4}, _MIXED),
    Row("w8a4", "W8A4", {"output_bitwidth": 4}, "mixed-precision"),
    Row("w4a8_per_channel", "W4A8 per channel", {"param_bitwidth": 4, "config": "per_channel.json"}, _WEIGHTS),
    Row("one_at_3_bits", "one activation at 3 bits", {"overrides": {_LOW: {"bitwidth": 3}}}, ""),
    Row("spoiled", "ranges spoiled on purpose", {"checkpoint": "spoiled/model"}, "equalization"),
    *(Row(f"spoiled_{relu6}", "ranges spoiled on purpose", {"checkpoint": "spoiled/model"}, "equalization",
          ("--relu6", relu6)) for relu6 in (KEEP, REPLACE)),
)


def run(row: Row) -> None:
    """Search for the repair of a row as its command does."""
    path = _FOLDER / f"{row.name}.yaml"
    document = {"base": options.DEMO_CARD, "name": row.name, "quantization": row.quantization}
    files.write_text(path, json.dumps(document, indent=1))
    remedies = ["--remedies", row.remedies] if row.remedies else []
    console.main(["repair", "--model", str(path), "--output-dir", str(_FOLDER / row.name), "--cache-dir",
                  str(ROOT / ".cache"), "--budget", "60", *remedies, *row.options])


def table(found: Mapping[Row, Mapping[str, Any]]) -> List[str]:
    """What `repair.json` of each row says, in Markdown."""
    lines = ["| red card | remedies tried | before | repair | mAP, all images | drop held back (95 %) | "
             "bits of weights, activations | bit operations | minutes |", "|--|--|--|--|--|--|--|--|--|"]
    for row, document in found.items():
        chosen, before = document["chosen"], document["before"]
        whole, held = chosen["all"], chosen["held_back"] or chosen["all"]
        low, high = held["drop_interval"] or (float("nan"), float("nan"))
        name = chosen["name"] if document["found"] else f"none; closest: {chosen['name']}"
        tried = " ".join((row.remedies or "all", *row.options))
        lines.append(f"| {row.what} | {tried} | {before['mAP']:.4f} | {name} | {whole['mAP']:.4f} | "
                     f"{held['drop']:.4f} ({low:.4f} .. {high:.4f}) | {whole['weight_bits']:.2f}, "
                     f"{whole['activation_bits']:.2f} | {whole['bit_operations']:.2f} | "
                     f"{document['seconds'] / 60:.1f} |")
    return lines


def main(names: Sequence[str]) -> None:
    """Run some rows, or all, and write the table of all that were run since the cache was emptied."""
    rows = [row for row in ROWS if row.name in names or not names]
    _FOLDER.mkdir(parents=True, exist_ok=True)
    configuration.write(_FOLDER / "per_channel.json", Configuration(per_channel=True))
    cache = Cache(ROOT / ".cache")
    if any("checkpoint" in row.quantization for row in rows):
        spoiled.write(prepare(Request(cards.load(options.DEMO_CARD), ready.data_paths(cache), 1), cache),
                      _FOLDER / "spoiled")
    for row in rows:
        run(row)
    left = {row: _FOLDER / row.name / "repair" / "repair.json" for row in ROWS}
    lines = table({row: json.loads(path.read_text()) for row, path in left.items() if path.is_file()})
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    files.write_text(PAGE, "\n".join([before + BEGIN, *lines, END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main(sys.argv[1:])
