"""Cheap checks that come before TensorFlow is imported: what lies in files that a run reads, and where it writes."""

import tempfile
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, DataError, StorageError
from quant_accuracy.data import annotations, shards
from quant_accuracy.settings import card_bases, card_files, folders
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values


def resolve(values: Values, demo: Callable[[Cache], DataPaths]) -> Tuple[List[Request], Cache]:
    """As `request.resolve`, for a command that writes to `--output-dir`, with all that can be checked cheaply checked.

    Raises:
        QuantAccuracyError: As `request.resolve`, `check` and `check_places`.
    """
    check_places(values, report=True)
    wanted, cache = requests.resolve(values, demo)
    for request in wanted:
        check(request)
    return wanted, cache


def check(request: Request) -> None:
    """Check that the files of a request are there and that its selection takes some of them; nothing is read whole.

    Raises:
        CheckpointError: A file of the checkpoint is missing.
        DataError: Shards or annotations are missing, or a shard is cut short.
        ConfigurationError: The options select what is not there.
    """
    data = request.data
    found = shards.find_shards(data.dataset_dir, data.pattern)
    shards.select(found, request.selection, request.num_examples, request.shard_count)
    annotations.require(data.annotations)
    checkpoint_parts.checkpoint_files(data.checkpoint)
    if request.device_outputs is not None and not request.device_outputs.is_dir():
        raise DataError(f"--device-outputs {request.device_outputs}: no such folder; name the one with the Result_<n> "
                        "of the device")
    if request.device_detections is not None and not request.device_detections.is_file():
        raise DataError(f"--device-detections {request.device_detections}: no such file; name the file of detections")


def check_places(values: Values, report: bool, update: bool = False) -> None:
    """Check that what a run leaves can be written.

    Args:
        values: The options.
        report: Whether it leaves reports, or whatever else belongs into `--output-dir`.
        update: Whether it writes baselines.

    Raises:
        ConfigurationError: A folder is named where a file is meant, or the other way round.
        StorageError: A place cannot be written.
    """
    if values.get("baseline_dir") and Path(values.get("baseline_dir")).is_file():
        raise ConfigurationError(f"--baseline-dir {values.get('baseline_dir')}: is a file; name the folder that has a "
                                 "folder for each model card")
    for option, folder in _folders(values, report, update):
        _check_folder(option, folder)
    if values.get("history"):
        history = Path(values.get("history"))
        if history.is_dir():
            raise ConfigurationError(f"--history {history}: is a folder; name a file")
        _check_folder("--history", history.parent)
        if history.exists():
            _check_opens("--history", history)


def check_replaced(folder: Path, request: Request, places: Sequence[Path]) -> None:
    """Check that a repair may replace a folder: that an earlier one has left it, and that nothing in it is needed.

    Args:
        folder: The folder.
        request: What is to be repaired.
        places: Where model cards are looked for by name.

    Raises:
        ConfigurationError: It holds something else, or the card builds on what lies in it.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (not (folder / "repair.json").is_file() and any(folder.iterdir())):
        raise ConfigurationError(f"{folder}: no repair has left this, and one would replace it; move it away, or name "
                                 "another folder with --output-dir")
    document = card_bases.read(card_files.find(request.card.given or request.card.name, places), places)
    named = [document.content.get(outer, {}).get(inner) for outer, inner in card_bases.PATHS]
    data, file = request.data, request.card.quantization.encodings_file
    used = [*document.origins.values(), *filter(None, named), data.checkpoint, data.dataset_dir, data.annotations,
            *filter(None, [file])]
    for path in map(str, used):
        if folder.resolve() in Path(path).resolve().parents or folder.resolve() == Path(path).resolve():
            raise ConfigurationError(f"{folder}: the repair would replace it, and {request.card.name} builds on {path} "
                                     "in it; name another folder with --output-dir, or move this one")


def check_bundle(folder: Path) -> None:
    """Check that a bundle can be written, before anything is computed for it.

    Raises:
        ConfigurationError: The folder holds something already, or is a file.
        StorageError: It cannot be written.
    """
    files.require_new(folder, "the bundle")
    _check_folder("the bundle", folder)


def _folders(values: Values, report: bool, update: bool) -> List[Tuple[str, Path]]:
    found = []
    if report:
        found.append(("--output-dir", folders.all_output(values)))
    cache = values.get("cache_dir")
    # One that is there may be read-only, and hold all that is needed.
    if cache and not Path(cache).is_dir():
        found.append(("--cache-dir", Path(cache)))
    if values.get("quantsim_output_dir"):
        found.append(("--quantsim-output-dir", Path(values.get("quantsim_output_dir"))))
    if update and values.get("baseline_dir"):
        found.append(("--baseline-dir", Path(values.get("baseline_dir"))))
    return found


def _check_folder(option: str, folder: Path) -> None:
    """Check that a file can be made in a folder, or in the one that it would be made in; none is left."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=str(there)):
            pass
    except OSError as error:
        full = error.errno in files.FULL
        raise StorageError(f"{option} {folder}: {error.strerror}; "
                           f"{'free some space' if full else 'name a folder that can be written'}") from error


def _check_opens(option: str, path: Path) -> None:
    try:
        with open(str(path), "ab"):
            pass
    except OSError as error:
        raise StorageError(f"{option} {path}: {error.strerror}; name a file that can be written") from error
