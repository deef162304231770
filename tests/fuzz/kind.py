"""A kind of input: a good file, ways to damage it, and what a correct result of reading it is."""

from pathlib import Path
from random import Random
from typing import Any, Callable, NamedTuple

from tests.fuzz import mutations

# Height and width of the images in the good files.
SIZE = (20, 30)


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        place: Where its file lies in a folder for cases; what belongs to it is made there.
        damage: The content of a damaged file.
        use: Reads the file and checks what comes out.
    """

    place: Callable[[Path], Path]
    damage: Callable[[Random], bytes]
    use: Callable[[Path], None]


def at(name: str) -> Callable[[Path], Path]:
    """A file in the folder for cases."""
    return lambda folder: folder / name


def json_kind(name: str, value: Any, use: Callable[[Path], None]) -> Kind:
    """A kind whose good file is this value as JSON."""
    return Kind(at(name), lambda random: mutations.json_file(random, value), use)
