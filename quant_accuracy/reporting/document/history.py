"""The figures of one run after another: a file of JSON Lines that every run may add a line to.

Several processes may append at once. What a killed writer left of its line is passed over by readers, and the next
line begins on a new one.
"""

import contextlib
import fcntl
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from quant_accuracy.base import files, progress
from quant_accuracy.base.documents import Section, decoded, parse_json
from quant_accuracy.base.errors import ConfigurationError, StorageError
from quant_accuracy.base.words import DEVICE, VARIANTS
from quant_accuracy.judging import baseline

SCHEMA_VERSION = 1
# What follows from the rest of a line, or from the lines before it, and is not written.
_DERIVED = ("digest", "changed")


@dataclass(frozen=True)
class Entry:
    """A run in the history.

    Attributes:
        time: When it ended: UTC, such as `2019-10-15T12:00:00Z`.
        model: Name of the model card.
        images: Number of evaluated images.
        shards: The evaluated shards, such as `0-3`.
        float_map: Float mAP; None where there is no ground truth.
        quantized_map: Quantized mAP; None where there is no ground truth.
        drop: Float mAP - quantized mAP.
        outcomes: Number of gates and checks by outcome.
        provenance: What the figures were measured from.
        digest: Of the provenance: runs of the same things have the same.
        changed: The keys of the provenance, dotted, that differ from the line before of the same model; empty where
            there is none, and in an entry that was not read from a history.
        device_map: Device mAP; None where there was no device.
        device_drop: Quantized mAP - device mAP.
    """

    time: str
    model: str
    images: int
    shards: str
    float_map: Optional[float]
    quantized_map: Optional[float]
    drop: Optional[float]
    outcomes: Mapping[str, int]
    provenance: Mapping[str, Any]
    digest: str
    changed: Tuple[str, ...] = ()
    device_map: Optional[float] = None
    device_drop: Optional[float] = None


def entry(document: Mapping[str, Any]) -> Entry:
    """The entry of a run.

    Args:
        document: What `contents.as_document`, or `contents.essentials`, makes of an evaluation.
    """
    before, after = (document["metrics"][variant]["figures"]["mAP"] for variant in VARIANTS)
    provenance, device = dict(document["provenance"]), document.get(DEVICE)
    return Entry(document["run"]["ended"], document["model"], document["images"], document["shards"], before, after,
                 document["mAP_drop"], dict(Counter(verdict["outcome"] for verdict in document["verdicts"])),
                 provenance, files.digest_value(provenance), (),
                 None if device is None else device["metrics"][DEVICE]["figures"]["mAP"],
                 None if device is None else device["mAP_drop"])


def remember(path: Path, document: Mapping[str, Any]) -> Dict[str, Any]:
    """Append the entry of a run, and give its document with the history of its model, this run included.

    Raises:
        ConfigurationError: The history cannot be read.
        StorageError: The history cannot be written.
    """
    now = entry(document)
    # Read first: nothing is added to what is no history.
    before = [line for line in read(path) if line.model == now.model]
    append(path, now)
    # As the next one will read it.
    now = replace(now, provenance=json.loads(json.dumps(now.provenance)))
    return {**document, "history": [_shown(line) for line in (*before, _after(before[-1] if before else None, now))]}


def _shown(line: Entry) -> Dict[str, Any]:
    """What a report tells of an entry."""
    return {"time": line.time, "float_mAP": line.float_map, "quantized_mAP": line.quantized_map, "drop": line.drop,
            "device_mAP": line.device_map, "device_drop": line.device_drop,
            "images": line.images, "shards": line.shards, "changed": list(line.changed)}


def append(path: Path, line: Entry) -> None:
    """Add a line to a history, all of it and safely on the disk, or nothing of it.

    Raises:
        StorageError: The file cannot be written, or the disk is full.
    """
    text = json.dumps({"schema_version": SCHEMA_VERSION, **_without_derived(line)}, sort_keys=True)
    try:
        with _locked(path) as file:
            size = os.fstat(file).st_size
            start = "\n" if size > 0 and os.pread(file, 1, size - 1) != b"\n" else ""
            _write(file, f"{start}{text}\n".encode("ascii"), size)
    except OSError as error:
        remedy = "free some space" if error.errno in files.FULL else "name a file that can be written with --history"
        raise StorageError(f"{path}: the history cannot be written ({error.strerror}); {remedy}") from error


def _without_derived(line: Entry) -> Dict[str, Any]:
    return {name: value for name, value in asdict(line).items() if name not in _DERIVED}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, made if it is not there, for one writer at a time; a writer that dies lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(str(path), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)


def _write(file: int, content: bytes, size: int) -> None:
    """Append, in one write where the system takes it in one; a file that cannot take all stays as it was."""
    try:
        done = 0
        while done < len(content):
            done += os.write(file, content[done:])
        os.fsync(file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise


def read(path: Path) -> List[Entry]:
    """The entries of a history, oldest first; none where there is no file.

    A line that is cut short is left out, with a warning.

    Raises:
        ConfigurationError: The file cannot be read, or a line is no entry.
    """
    try:
        content = _content(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"{path}: the history cannot be read ({error.strerror}); "
                                 "name a history file") from error
    found: List[Entry] = []
    last: Dict[str, Entry] = {}
    for number, line in enumerate(content.split(b"\n"), start=1):
        parsed = _parse(path, number, line) if line.strip() else None
        if parsed is not None:
            found.append(_after(last.get(parsed.model), parsed))
            last[parsed.model] = parsed
    return found


def _content(path: Path) -> bytes:
    """All lines; one that is being written is waited for."""
    with open(str(path), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file.read()


def _parse(path: Path, number: int, line: bytes) -> Optional[Entry]:
    """The entry of a line; None, with a warning, where the line is cut short."""
    try:
        # An editor may have put a byte-order mark before the first line.
        document = parse_json(decoded(line))
    except ValueError:
        progress.say(f"warning: {path}: line {number} is cut short or damaged and is left out; delete it")
        return None
    section = Section(str(path), f"line {number}.", document, "the history, or delete the line")
    return _entry(section.of_version(SCHEMA_VERSION, "start another history file"))


def _entry(section: Section) -> Entry:
    provenance, outcomes = section.section("provenance").items(), section.section("outcomes")
    drop = section.known_real("drop", -1, 1)
    return Entry(section.text("time"), section.text("model"), section.number("images", 0, 10 ** 9),
                 section.text("shards"), _figure(section, "float_map"), _figure(section, "quantized_map"), drop,
                 {name: outcomes.number(name, 0, 10 ** 6) for name in outcomes.items()}, provenance,
                 files.digest_value(provenance), (), _figure(section, "device_map"),
                 section.known_real("device_drop", -1, 1))


def _figure(section: Section, key: str) -> Optional[float]:
    return section.known_real(key, 0, 1)


def _after(before: Optional[Entry], now: Entry) -> Entry:
    """The entry, with what changed of its provenance."""
    if before is None or before.digest == now.digest:
        return now
    sides = [before.provenance, now.provenance]
    if not all(DEVICE in side for side in sides):
        # A device that comes or goes changes nothing of the other variants.
        sides = [{key: value for key, value in side.items() if key != DEVICE} for side in sides]
    return replace(now, changed=tuple(baseline.changed(*sides)))
