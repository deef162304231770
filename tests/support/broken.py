"""What tests of faults share: reports on the demo, what they left, and files that are damaged for real."""

import json
from pathlib import Path
from typing import Any, Dict, List

from quant_accuracy.base import files
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths


def arguments(data: DataPaths, folder: Path, *more: str) -> List[str]:
    """A report whose cache and output lie in a folder."""
    return ["--model", options.DEMO_CARD, "--model-checkpoint", str(data.checkpoint),
            "--dataset-dir", str(data.dataset_dir), "--TFRecord-file-pattern", data.pattern,
            "--annotation-json-file", str(data.annotations), "--cache-dir", str(folder / "cache"),
            "--output-dir", str(folder / "output"), *more]


def document(folder: Path) -> Dict[str, Any]:
    """A report without what differs from run to run."""
    found: Dict[str, Any] = json.loads((folder / "output" / "report.json").read_text(encoding="utf-8"))
    del found["run"]
    return found


def detections(folder: Path) -> Dict[str, str]:
    """The content of every finished shard, by its name."""
    return {f"{path.parent.name}/{path.name}": files.digest_file(path)
            for path in (folder / "cache").glob("detections/*/*.npz")}


def times(folder: Path) -> Dict[str, int]:
    """When every finished shard was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cache").glob("detections/*/*.npz")}


def temporary(folder: Path) -> List[Path]:
    """What is left of unfinished writes."""
    return sorted(folder.rglob("*.partial"))


def flip(path: Path, position: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[:len(content) // 2])


def flip_in_the_middle(path: Path) -> None:
    """Change one bit in the middle of a file."""
    flip(path, path.stat().st_size // 2)
