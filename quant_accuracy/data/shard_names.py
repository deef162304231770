"""Names of shards that count: `coco_val.record-00003-of-00010` is number 3 of a set of 10.

A name may go on behind the numbers (`-00003-of-00010.tfrecord`). Numbers count from 0, as TensorFlow's writers do, or
from 1, where the set has a number as large as its size.
"""

import fnmatch
import re
from pathlib import Path, PurePath
from typing import Dict, List, NamedTuple, Optional, Sequence

from quant_accuracy.base.errors import DataError

_NUMBERED = re.compile(r"(.*)-(\d{1,6})-of-(\d{1,6})((?:\.[A-Za-z0-9_]+)*)", re.DOTALL)
_ONE_SET = "name one set, such as 'coco_val.record-*-of-00010'"


class NumberedSet(NamedTuple):
    """A set of shards whose names count.

    Attributes:
        size: How many there are by the names.
        by_number: Those that the pattern matches, by number.
        beside: Those that lie beside them and that the pattern does not match, by number.
        missing: Numbers of those that are not there.
        lost: Those of `missing` that the pattern asks for.
    """

    size: int
    by_number: Dict[int, Path]
    beside: Dict[int, Path]
    missing: Sequence[int]
    lost: Sequence[int]


class _Name(NamedTuple):
    folder: Path
    prefix: str
    digits: str
    total: str
    suffix: str

    def of_set(self) -> "_Name":
        return self._replace(digits="")

    def numbered(self, number: int) -> str:
        return f"{self.prefix}-{number:0{len(self.digits)}d}-of-{self.total}{self.suffix}"


def numbered_set(place: Path, pattern: str, paths: Sequence[Path]) -> Optional[NumberedSet]:
    """The set that files belong to by their names; None where no name counts.

    Args:
        place: What messages call the files: folder and pattern.
        pattern: The pattern that they match.
        paths: The files.

    Raises:
        DataError: They are of several sets, or names contradict each other.
    """
    names = [_parsed(path) for path in paths]
    known = [name for name in names if name is not None]
    if not known:
        return None
    if len(known) < len(names):
        stranger = next(path for path, name in zip(paths, names) if name is None)
        raise DataError(f"{place}: matches numbered shards, and {stranger.name}, which has no number; {_ONE_SET}")
    sets = sorted({name.of_set() for name in known})
    if len(sets) > 1:
        shown = ", ".join(f"{name.prefix}-*-of-{name.total}{name.suffix}" for name in sets[:3])
        raise DataError(f"{place}: matches shards of different sets ({shown}); {_ONE_SET}")
    size = int(known[0].total)
    by_number = _by_number(place, paths)
    around = [path for path in sorted(known[0].folder.iterdir()) if path not in paths and path.is_file()]
    beside = _by_number(place, [path for path in around if _same_set(path, sets[0])])
    there = {**by_number, **beside}
    first = 1 if size in there and 0 not in there else 0
    beyond = [number for number in there if not first <= number < first + size]
    if beyond:
        raise DataError(f"{there[beyond[0]]}: has the number {beyond[0]} in a set of {size}; {_ONE_SET}")
    missing = [number for number in range(first, first + size) if number not in there]
    matches = re.compile(fnmatch.translate(PurePath(pattern).name)).match
    lost = [number for number in missing if matches(known[0].numbered(number))]
    return NumberedSet(size, by_number, beside, missing, lost)


def _parsed(path: Path) -> Optional[_Name]:
    match = _NUMBERED.fullmatch(path.name)
    return None if match is None else _Name(path.parent, *match.groups())


def _same_set(path: Path, wanted: _Name) -> bool:
    name = _parsed(path)
    return name is not None and name.of_set() == wanted


def _by_number(place: Path, paths: Sequence[Path]) -> Dict[int, Path]:
    found: Dict[int, Path] = {}
    for path in paths:
        name = _parsed(path)
        number = int(name.digits) if name else -1
        if number in found:
            raise DataError(f"{place}: {found[number].name} and {path.name} have the same number; remove one of them")
        found[number] = path
    return found


def numbers(paths: Sequence[Path], found: Optional[NumberedSet]) -> List[int]:
    """The number of each file: from its name, else its place."""
    if found is None:
        return list(range(len(paths)))
    number_of = {path: number for number, path in found.by_number.items()}
    return [number_of[path] for path in paths]
