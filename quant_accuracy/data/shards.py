"""TFRecord shards: found by pattern, selected by number, their records counted without reading them."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import ConfigurationError, DataError
from quant_accuracy.data import framing, shard_names


@dataclass(frozen=True)
class Shard:
    """A TFRecord file of the data set.

    Attributes:
        index: Its number, from its name `...-00003-of-00010`, else its place in alphabetical order.
        path: The file.
        records: How many of its records are evaluated, from the first on.
        total: How many records it holds.
        set_size: Of how many shards it is one, by its name; None where its name does not say so.
    """

    index: int
    path: Path
    records: int
    total: int
    set_size: Optional[int] = None


def find_shards(folder: Path, pattern: str) -> List[Shard]:
    """The shards that a pattern takes, in order.

    A pattern that takes some files of a numbered set selects a part of the data set; see `whole_set`.

    Args:
        folder: The data set's folder.
        pattern: A glob pattern such as `coco_val.record-*-of-00010`.

    Raises:
        DataError: Nothing matches, a shard that the pattern asks for is missing, or one is cut short.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the folder of the TFRecords with --dataset-dir")
    if Path(pattern).is_absolute() or not pattern:
        raise ConfigurationError(f"the pattern {pattern!r} is not relative to --dataset-dir; "
                                 "give file names only, such as 'coco_val.record-*-of-00010'")
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not paths:
        raise DataError(f"{folder / pattern}: no file matches; correct --dataset-dir or --TFRecord-file-pattern, "
                        f"or make the files with {invocation.CREATE_TFRECORDS}")
    named = shard_names.numbered_set(folder / pattern, pattern, paths)
    if named is not None and named.lost:
        raise DataError(f"{folder / pattern}: the shards {format_selection(named.lost)} are missing; "
                        "complete the data set, or name the shards that are there in the pattern")
    size = None if named is None else named.size
    return sorted((_shard(index, path, size) for index, path in zip(shard_names.numbers(paths, named), paths)),
                  key=lambda shard: shard.index)


def whole_set(folder: Path, pattern: str, found: Sequence[Shard]) -> List[Shard]:
    """All shards of the set that some belong to, as far as they can be read, in order.

    Args:
        folder: The data set's folder.
        pattern: The pattern that takes some of them.
        found: What `find_shards` found by it; these are among the result.
    """
    named = shard_names.numbered_set(folder / pattern, pattern, [shard.path for shard in found])
    others = []
    for index, path in ({} if named is None else named.beside).items():
        try:
            others.append(_shard(index, path, found[0].set_size))
        except DataError:
            # Nobody asked for it: perhaps because it is damaged.
            continue
    return sorted([*found, *others], key=lambda shard: shard.index)


def is_whole(shards: Sequence[Shard]) -> bool:
    """Whether no shard is missing, as far as names tell."""
    return all(shard.set_size in (None, len(shards)) for shard in shards)


def _shard(index: int, path: Path, set_size: Optional[int]) -> Shard:
    total = count_records(path)
    return Shard(index, path, total, total, set_size)


def count_records(path: Path) -> int:
    """Count the records of a TFRecord file by hopping from length to length.

    Raises:
        DataError: The file ends within a record, or is no TFRecord file.
    """
    try:
        with framing.opened(path) as file:
            framing.check_kind(path, file)
        with framing.opened(path) as file:
            count = 0
            while True:
                header = file.read(framing.HEADER.size)
                if not header:
                    return count
                if len(header) < framing.HEADER.size \
                        or not framing.skip(file, framing.HEADER.unpack(header)[0] + framing.FOOTER.size):
                    raise DataError(f"{path}: record {count} is cut short or its length is damaged; {framing.REMEDY}")
                count += 1
    except OSError as error:
        raise DataError(f"{path}: {os.strerror(error.errno) if error.errno else error}; "
                        "make the file readable") from error
    except framing.DAMAGES as error:
        raise DataError(f"{path}: the compressed file is damaged ({error}); {framing.REMEDY}") from error


def parse_selection(text: str) -> List[int]:
    """The shard numbers that a selection such as `0,3-5` names, sorted.

    Raises:
        ConfigurationError: The text is not a selection.
    """
    chosen: Set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
        if not match or int(match.group(2) or match.group(1)) < int(match.group(1)):
            raise ConfigurationError(f"--shards {text!r}: {part!r} is not a shard number or a range; write '0,3-5'")
        chosen.update(range(int(match.group(1)), int(match.group(2) or match.group(1)) + 1))
    return sorted(chosen)


def format_selection(indexes: Sequence[int]) -> str:
    """The shortest selection that names these shard numbers: `0,3-5`."""
    parts: List[List[int]] = []
    for index in sorted(indexes):
        if parts and index == parts[-1][-1] + 1:
            parts[-1][1:] = [index]
        else:
            parts.append([index])
    return ",".join("-".join(str(number) for number in part) for part in parts)


def select(shards: Sequence[Shard], selection: Optional[str], num_examples: Optional[int] = None,
           count: Optional[int] = None) -> List[Shard]:
    """The selected shards, cut so that at most `num_examples` images are evaluated.

    Args:
        shards: All shards of the data set.
        selection: Such as `0,3-5`; None takes all.
        num_examples: Images to evaluate, from the first selected shard on; None takes all.
        count: Shards to evaluate, from the first of the data set on; None takes all.

    Raises:
        ConfigurationError: A selected shard does not exist, or there are fewer images than asked for, or none.
    """
    chosen = list(shards)
    if count is not None:
        if selection is not None:
            raise ConfigurationError("--shards and --shard-count both say what to evaluate; give one of them")
        if not 1 <= count <= len(shards):
            raise ConfigurationError(f"--shard-count {count}: the data set has {len(shards)} shards; "
                                     f"ask for 1 to {len(shards)}")
        chosen = chosen[:count]
    if selection is not None:
        known: Dict[int, Shard] = {shard.index: shard for shard in shards}
        unknown = [index for index in parse_selection(selection) if index not in known]
        if unknown:
            raise ConfigurationError(f"--shards {selection}: there is no shard {format_selection(unknown)}; "
                                     f"the data set has {format_selection(sorted(known))}")
        chosen = [known[index] for index in parse_selection(selection)]
    available = sum(shard.records for shard in chosen)
    if not available:
        raise ConfigurationError("the selected shards hold no image; select others with --shards, or make them with "
                                 f"{invocation.CREATE_TFRECORDS}")
    if num_examples is None:
        return chosen
    if not 1 <= num_examples <= available:
        raise ConfigurationError(f"--eval-num-examples {num_examples}: the selected shards hold {available} images; "
                                 f"ask for 1 to {available}")
    cut = []
    for shard in chosen:
        take = min(shard.records, num_examples)
        num_examples -= take
        if take:
            cut.append(replace(shard, records=take))
    return cut
