"""Where model cards are: found by name, by path or by pattern."""

import fnmatch
import glob
from pathlib import Path
from typing import List, Sequence

from quant_accuracy.base.errors import ConfigurationError, shown
from quant_accuracy.base.near import near

# Of the cards that come with this suite.
SHIPPED = Path(__file__).resolve().parent.parent / "cards"
SUFFIXES = (".yaml", ".yml")


def find(name_or_path: str, folders: Sequence[Path] = (SHIPPED,)) -> Path:
    """The file of a model card, which need not exist where a path is given.

    Raises:
        ConfigurationError: No folder has a card of this name.
    """
    if name_or_path.endswith(SUFFIXES):
        return Path(name_or_path)
    for folder in folders:
        path = folder / f"{name_or_path}.yaml"
        if path.is_file():
            return path
    raise ConfigurationError(f"{folders[0] / name_or_path}.yaml: no such model card; {known(name_or_path, folders)}")


def expand(names: Sequence[str], folders: Sequence[Path] = (SHIPPED,)) -> List[str]:
    """Names and paths of model cards, with each pattern replaced by what it matches, sorted.

    A pattern that ends with `.yaml` is one of paths. Any other is one of names, in the first folder that has a match;
    cards whose file begins with `_` are there to be built on, and match only patterns that begin so. What a pattern
    matches is left out where it is named before.

    Raises:
        ConfigurationError: A pattern matches no card.
    """
    found: List[str] = []
    for name in names:
        if not glob.has_magic(name) or Path(name).is_file():
            found.append(name)
            continue
        matches = _matching(name, folders)
        if not matches:
            raise ConfigurationError(f"--model {shown(name)}: no model card matches; {known(name, folders)}")
        taken = {find(other, folders).resolve() for other in found}
        found += [match for match in matches if find(match, folders).resolve() not in taken]
    return found


def _matching(pattern: str, folders: Sequence[Path]) -> List[str]:
    if pattern.endswith(SUFFIXES):
        return sorted(path for path in glob.glob(pattern) if _to_run(path) or not _to_run(pattern))
    for folder in folders:
        matches = [name for name in names_in(folder)
                   if fnmatch.fnmatchcase(name, pattern) and (_to_run(name) or not _to_run(pattern))]
        if matches:
            return matches
    return []


def _to_run(name: str) -> bool:
    return not Path(name).name.startswith("_")


def names_in(folder: Path) -> List[str]:
    """The names of the model cards in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def known(wanted: str, folders: Sequence[Path]) -> str:
    """What there is instead, the near names first."""
    names = list(dict.fromkeys(name for folder in folders for name in names_in(folder)
                               if _to_run(name)))
    meant = "".join(f"did you mean {name!r}? " for name in near(wanted, names))
    return f"{meant}--model takes the path of a .yaml file or one of {', '.join(names)}"
