"""Check a model card: everything that can be known without running its model, all faults at once."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.card_check import keys
from quant_accuracy.judging import baseline as baselines
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE
from quant_accuracy.settings.options import PATHS


@dataclass(frozen=True)
class Findings:
    """What a check found out.

    Attributes:
        faults: What will stop a run, one line each.
        notes: What could not be checked, and what will be red.
        checked: What was looked at.
    """

    faults: Sequence[str]
    notes: Sequence[str] = ()
    checked: Sequence[str] = ()


def check(name_or_path: str, folders: Sequence[Path] = (SHIPPED,), given: Optional[Mapping[str, Any]] = None,
          baseline_dir: Optional[Path] = None, demo: Optional[Callable[[], DataPaths]] = None,
          trusted: bool = False) -> Findings:
    """Check keys, paths, the checkpoint's graph, the data set and the baseline of a model card.

    Args:
        name_or_path: As for `card.load`.
        folders: Where names are looked for.
        given: Data paths that options give, by the card's names; the card's own ones otherwise.
        baseline_dir: Folder of the baselines; None leaves them out.
        demo: Makes the embedded demo ready, called where the card wants it; None leaves its data out.
        trusted: The checkpoint's graph may hold ops that reach outside.
    """
    read = keys.read(name_or_path, folders)
    if read.card is None:
        return Findings(read.faults)
    faults, notes, checked = list(read.faults), [], [f"{name_or_path}: keys"]
    card = read.card
    if "data" in read.faulty:
        notes.append("checkpoint and data were not looked at: correct the section data first")
    else:
        paths = _paths(card, given or {}, demo, notes)
        if paths.get("checkpoint") is not None and not read.faulty & {"graph", "input", "quantization", "assumptions"}:
            # TensorFlow takes seconds to import: not where the keys are all that can be checked.
            from quant_accuracy.card_check import graph

            found = graph.check(card, Path(paths["checkpoint"]), trusted)
            faults += found.faults
            notes += found.notes
            checked += [found.summary] if found.summary else []
        elif paths.get("checkpoint") is not None:
            notes.append("the checkpoint was not looked at: correct the keys first")
        folder, annotations = (Path(paths[key]) if paths.get(key) else None for key in ("dataset_dir", "annotations"))
        if folder is not None or annotations is not None:
            from quant_accuracy.card_check import data

            of_data = data.check(card, folder, paths.get("pattern"), annotations)
            faults += of_data.faults
            notes += of_data.notes
            checked += [of_data.summary] if of_data.summary else []
    if baseline_dir is not None and not read.faulty & {"name", "gates"}:
        _baseline(card, baseline_dir / card.name, faults, notes, checked)
    return Findings(faults, notes, checked)


def _paths(card: ModelCard, given: Mapping[str, Any], demo: Optional[Callable[[], DataPaths]],
           notes: List[str]) -> Dict[str, Any]:
    known: Dict[str, Any] = dict(card.data)
    if card.demo and demo is not None:
        known = asdict(demo())
    known.update(given)
    missing = [key for key in PATHS if known.get(key) is None]
    if missing:
        flags = ", ".join(f"--{PATHS[key].replace('_', '-')}" for key in missing)
        notes.append(f"not looked at, because the card does not say where it is: {', '.join(missing)}; give {flags}")
    return known


def _baseline(card: ModelCard, folder: Path, faults: List[str], notes: List[str], checked: List[str]) -> None:
    typed = f"--model {card.given or card.name}"
    there = []
    for read in (baselines.read, baselines.read_quantizers):
        try:
            there.append(read(folder, typed) is not None)
        except QuantAccuracyError as error:
            faults.append(str(error))
            there.append(True)
    if any(there):
        checked.append(f"{folder}: the baseline")
    if not all(there) and any(gate.name in (*OF_BASELINE, ENCODINGS_DRIFT) for gate in card.gates):
        notes.append(f"{folder}: has no baseline yet, and the gates that compare with it will fail; "
                     f"{baselines.remedy(typed)}")
