"""Progress bars for people; silence for files and CI."""

import sys
from typing import Iterable, Iterator, Optional, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def bar(items: Iterable[Item], total: Optional[int], unit: str, label: str) -> Iterator[Item]:
    """Pass `items` through, showing rate and remaining time on a terminal once it takes longer than a second."""
    return iter(tqdm(items, total=total, unit=f" {unit}", desc=label, delay=1.0,
                     disable=not sys.stderr.isatty(), dynamic_ncols=True, leave=False))


def counter(total: int, unit: str, label: str, initial: int = 0) -> "tqdm[None]":
    """A progress bar to be advanced by hand with `update(n)`; a context manager."""
    return tqdm(total=total, initial=initial, unit=f" {unit}", desc=label, delay=1.0,
                disable=not sys.stderr.isatty(), dynamic_ncols=True, leave=False)


def say(text: str) -> None:
    """Print one line to the error stream without tearing a progress bar."""
    tqdm.write(text, file=sys.stderr)
