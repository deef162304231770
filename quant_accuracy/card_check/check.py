"""Check a model card: everything that can be known without running its model, all faults at once."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.card_check import keys
from quant_accuracy.card_check.keys import Read
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.settings import folders
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE
from quant_accuracy.settings.options import OPTIONS, PATHS
from quant_accuracy.settings.values import Values


@dataclass(frozen=True)
class Findings:
    """What a check found out.

    Attributes:
        faults: What will stop a run, one line each.
        notes: What could not be checked, and what will be red.
        checked: What was looked at.
        name: The name of the model; empty where the card cannot be read.
    """

    faults: Sequence[str]
    notes: Sequence[str] = ()
    checked: Sequence[str] = ()
    name: str = ""


def check(name_or_path: str, values: Values, demo: Optional[Callable[[], DataPaths]] = None) -> Findings:
    """Check keys, paths, the checkpoint's graph, the data set and the baseline of a model card.

    Args:
        name_or_path: As for `card.load`.
        values: Where cards, data and baselines are, as far as options say so.
        demo: Makes the embedded demo ready, called where the card wants it; None leaves its data out.
    """
    read = keys.read(name_or_path, folders.cards(values))
    if read.card is None:
        return Findings(read.faults)
    found = _Collected(list(read.faults), [], [f"{name_or_path}: keys"])
    if "data" in read.faulty:
        found.notes.append("checkpoint and data were not looked at: correct the section data first")
    else:
        _model_and_data(read, values, demo, found)
    if not read.faulty & {"name", "gates"}:
        _baseline(read.card, values, found)
    return Findings(*found, name="" if "name" in read.faulty else read.card.name)


class _Collected(NamedTuple):
    faults: List[str]
    notes: List[str]
    checked: List[str]

    def add(self, faults: Sequence[str], notes: Sequence[str], summary: str) -> None:
        self.faults.extend(faults)
        self.notes.extend(notes)
        self.checked.extend([summary] if summary else [])


def _model_and_data(read: Read, values: Values, demo: Optional[Callable[[], DataPaths]], found: _Collected) -> None:
    card = read.card
    assert card is not None
    paths = _paths(card, values, demo, found)
    checkpoint = _checkpoint(paths["checkpoint"], found) if "checkpoint" in paths else None
    quantized = card.quantized_checkpoint and _checkpoint(card.quantized_checkpoint, found)
    # TensorFlow takes seconds to import: not where the keys are all that can be checked.
    if checkpoint is not None and read.faulty & {"graph", "input", "quantization", "assumptions"}:
        found.notes.append("the graph of the checkpoint was not looked at: correct the keys first")
    elif checkpoint is not None:
        from quant_accuracy.card_check import graph

        trusted = bool(values.get("trust_checkpoint"))
        if quantized is not None:
            # Overrides are of the other's tensors.
            of_float = replace(card, quantization=replace(card.quantization, overrides=()))
            found.add(*graph.check(of_float, checkpoint, trusted)._replace(notes=()))
        found.add(*graph.check(card, quantized or checkpoint, trusted))
    folder, annotations = (Path(paths[key]) if key in paths else None for key in ("dataset_dir", "annotations"))
    if folder is not None or annotations is not None:
        from quant_accuracy.card_check import data

        found.add(*data.check(card, folder, paths.get("pattern"), annotations))


def _checkpoint(named: Any, found: _Collected) -> Optional[Path]:
    """The prefix of the checkpoint, whose files are all there; None where they are not."""
    try:
        prefix = checkpoint_parts.prefix(Path(named))
        checkpoint_parts.checkpoint_files(prefix)
    except QuantAccuracyError as error:
        found.faults.append(str(error))
        return None
    return prefix


def _paths(card: ModelCard, values: Values, demo: Optional[Callable[[], DataPaths]],
           found: _Collected) -> Dict[str, Any]:
    """The data paths that are known, by the card's names."""
    known: Dict[str, Any] = asdict(demo()) if card.demo and demo is not None else dict(card.data)
    known.update(values.paths(card.demo))
    missing = [key for key in PATHS if known.get(key) is None]
    if missing:
        flags = [option.flag for option in OPTIONS if option.key in [PATHS[key] for key in missing]]
        found.notes.append(f"not looked at, because the card does not say where it is: {', '.join(missing)}; give "
                           f"{', '.join(flags)}")
    return known


def _baseline(card: ModelCard, values: Values, found: _Collected) -> None:
    folder, how = folders.baseline(values, card.name, card.given), requests.remake(values, card)
    there = []
    for read in (baselines.read, baselines.read_quantizers):
        try:
            there.append(read(folder, how) is not None)
        except QuantAccuracyError as error:
            found.faults.append(str(error))
            there.append(True)
    if any(there):
        found.checked.append(f"{folder}: the baseline")
    if not all(there) and any(gate.name in (*OF_BASELINE, ENCODINGS_DRIFT) for gate in card.gates):
        found.notes.append(f"{folder}: has no baseline yet, and the gates that compare with it will fail; "
                           f"{baselines.remedy(how)}")
