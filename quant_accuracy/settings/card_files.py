"""The files of model cards: found by name or pattern, read safely, and built on one another.

A card with `base` says only what differs from another one: mappings are merged key by key, everything else replaces
what the base says, and `null` removes it.
"""

import difflib
import fnmatch
import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import yaml

from quant_accuracy.base.documents import Section, hint, parsing, read_text
from quant_accuracy.base.errors import ConfigurationError, first_line, shown
from quant_accuracy.settings.gates import EXPECTED, LIMIT

# Of the cards that come with this suite.
SHIPPED = Path(__file__).resolve().parent.parent / "cards"
BASE = "base"
# Relative to the file that says them.
PATHS = (("data", "checkpoint"), ("data", "dataset_dir"), ("data", "annotations"), ("quantization", "config"))
_SUFFIXES = (".yaml", ".yml")
# Characters; YAML takes long to read.
_LONGEST = 1 << 16
# Cards that build on one another: more is taken for a mistake.
_DEEPEST = 8
_OVERRIDES = ("quantization", "overrides")

Origins = Mapping[Tuple[str, ...], str]


@dataclass(frozen=True)
class CardDocument:
    """What a model card says, with what it takes over from those that it builds on.

    Attributes:
        path: The card's file.
        content: All of it, parsed.
        origins: The file that says a key, by the keys that lead to it.
    """

    path: Path
    content: Mapping[str, Any]
    origins: Origins


def find(name_or_path: str, folders: Sequence[Path] = (SHIPPED,)) -> Path:
    """The file of a model card, which need not exist where a path is given.

    Raises:
        ConfigurationError: No folder has a card of this name.
    """
    if name_or_path.endswith(_SUFFIXES):
        return Path(name_or_path)
    for folder in folders:
        path = folder / f"{name_or_path}.yaml"
        if path.is_file():
            return path
    raise ConfigurationError(f"{folders[0] / name_or_path}.yaml: no such model card; {_known(name_or_path, folders)}")


def expand(names: Sequence[str], folders: Sequence[Path] = (SHIPPED,)) -> List[str]:
    """Names and paths of model cards, with each pattern replaced by what it matches, sorted.

    A pattern with `/` or `.yaml` is one of paths. Any other is one of names, in the first folder that has a match;
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
            raise ConfigurationError(f"--model {shown(name)}: no model card matches; {_known(name, folders)}")
        taken = {find(other, folders).resolve() for other in found}
        found += [match for match in matches if find(match, folders).resolve() not in taken]
    return found


def _matching(pattern: str, folders: Sequence[Path]) -> List[str]:
    if "/" in pattern or pattern.endswith(_SUFFIXES):
        return sorted(path for path in glob.glob(pattern)
                      if path.endswith(_SUFFIXES) and (_to_run(path) or Path(pattern).name.startswith("_")))
    for folder in folders:
        matches = [name for name in names_in(folder)
                   if fnmatch.fnmatchcase(name, pattern) and (_to_run(name) or pattern.startswith("_"))]
        if matches:
            return matches
    return []


def _to_run(name: str) -> bool:
    return not Path(name).name.startswith("_")


def names_in(folder: Path) -> List[str]:
    """The names of the model cards in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _known(wanted: str, folders: Sequence[Path]) -> str:
    """What there is instead, the near names first."""
    names = list(dict.fromkeys(name for folder in folders for name in names_in(folder)
                               if _to_run(name)))
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}--model takes the path of a .yaml file or one of {', '.join(names)}"


def read(path: Path, folders: Sequence[Path] = (SHIPPED,)) -> CardDocument:
    """Read a card's file, and those that it builds on.

    Args:
        path: The file.
        folders: Where the names of bases are looked for, after the folder of the card that names one.

    Raises:
        ConfigurationError: A file is missing or is not YAML, or the cards do not build on one another.
    """
    merged = _merged(path, folders, ())
    return CardDocument(path, merged.content, merged.origins)


class _Merged(NamedTuple):
    content: Dict[str, Any]
    origins: Dict[Tuple[str, ...], str]


def _merged(path: Path, folders: Sequence[Path], chain: Tuple[Path, ...]) -> _Merged:
    """A card with what it takes over; `chain` are the cards that build on it."""
    own = _anchored(_parsed(path, folders, chain), path.parent)
    whole = Section(str(path), "", own, "the model card")
    if BASE not in own:
        own = _without_gaps(own)
        return _Merged(own, _origins(own, str(path), ()))
    chain = (*chain, path)
    below_path = _base(whole, path, folders)
    if below_path.resolve() in [card.resolve() for card in chain]:
        raise whole.error(BASE, f"leads back to {below_path}: {_arrows((*chain, below_path))}; let the first card that "
                          "all of them share have no base")
    if len(chain) >= _DEEPEST:
        raise whole.error(BASE, f"is the {_DEEPEST}th in a row: {_arrows(chain)}; build on fewer cards")
    below = _merged(below_path, folders, chain)
    inherited, origins = dict(below.content), dict(below.origins)
    if own.get("name") is not None and own["name"] == inherited.get("name"):
        raise whole.error("name", f"is {shown(own['name'])}, as in its base {below_path}; give it a name of its own, "
                          "baselines and reports are kept under it")
    for lost in ("name", BASE):
        inherited.pop(lost, None)
        origins.pop((lost,), None)
    _merge(inherited, own, whole, (), origins)
    return _Merged(inherited, origins)


def _base(whole: Section, path: Path, folders: Sequence[Path]) -> Path:
    """The file of the card that a card builds on; a name never means the card itself."""
    name = whole.text(BASE)
    if name.endswith(_SUFFIXES):
        found = path.parent / Path(name).expanduser()
        if not found.is_file():
            raise whole.error(BASE, f"is {shown(name)}, and there is no file {found}; correct the path, which is "
                              "relative to the card that says it")
        return found
    places = [path.parent, *folders]
    candidates = [folder / f"{name}.yaml" for folder in places if (folder / f"{name}.yaml").is_file()]
    if not candidates:
        near = hint(name, [other for folder in dict.fromkeys(places) for other in names_in(folder)])
        raise whole.error(BASE, f"is {shown(name)}, and there is no such model card beside it or in "
                          f"{' or '.join(map(str, dict.fromkeys(folders)))}; {near}")
    others = [candidate for candidate in candidates if candidate.resolve() != path.resolve()]
    return others[0] if others else candidates[0]


def _arrows(chain: Sequence[Path]) -> str:
    return " -> ".join(map(str, chain))


def _merge(into: Dict[Any, Any], own: Mapping[Any, Any], section: Section, keys: Tuple[str, ...],
           origins: Dict[Tuple[str, ...], str]) -> None:
    """Lay a card's mapping over that of its base."""
    for key, value in own.items():
        here = (*keys, key)
        if value is _EMPTY:
            raise section.error(key, "is empty; write null to remove what the base says there, or leave the key out")
        if value is None:
            if key not in into:
                known = [name for name in into if isinstance(name, str)]
                raise section.error(key, f"is null, and there is nothing of that name to remove; {hint(key, known)}")
            del into[key]
            _forget(origins, here)
            continue
        if keys == _OVERRIDES and key in into:
            # Later overrides win: those of the card come after those of its base.
            into[key] = into.pop(key)
        if isinstance(value, dict):
            below = into.get(key)
            if keys == ("gates",) and key != EXPECTED and below is not None and not isinstance(below, dict):
                # A number is short for a limit.
                below = {LIMIT: below}
                origins[(*here, LIMIT)] = origins[here]
            into[key] = dict(below) if isinstance(below, dict) else {}
            _merge(into[key], value, section.within(str(key), value), here, origins)
        else:
            _forget(origins, here)
            into[key] = _without_gaps(value)
        origins[here] = section.file()


def _forget(origins: Dict[Tuple[str, ...], str], keys: Tuple[str, ...]) -> None:
    for known in [known for known in origins if known[:len(keys)] == keys]:
        del origins[known]


def _origins(content: Any, file: str, keys: Tuple[str, ...]) -> Dict[Tuple[str, ...], str]:
    found: Dict[Tuple[str, ...], str] = {}
    if isinstance(content, dict):
        for key, value in content.items():
            found[(*keys, key)] = file
            found.update(_origins(value, file, (*keys, key)))
    return found


def _anchored(content: Any, folder: Path) -> Any:
    """The document with its paths relative to the card's folder, so that card and data can be kept together."""
    if not isinstance(content, dict):
        return content
    anchored = dict(content)
    for outer, inner in PATHS:
        section = anchored.get(outer)
        if isinstance(section, dict) and isinstance(section.get(inner), str) and section[inner]:
            anchored[outer] = {**section, inner: str(folder / os.path.expanduser(section[inner]))}
    return anchored


class _Empty:
    """What stands behind a key without a value, as opposed to `null`."""


_EMPTY = _Empty()


def _without_gaps(content: Any) -> Any:
    """The document of a card that builds on none: there, a key without a value is as good as null."""
    if isinstance(content, dict):
        return {key: _without_gaps(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_without_gaps(value) for value in content]
    return None if content is _EMPTY else content


class _Loader(yaml.SafeLoader):
    """Reads YAML safely, and refuses a key that stands twice: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen: Dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} stands twice, in lines {seen[key.value]} and {line}", key.start_mark)
                seen[key.value] = line
        found: Dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_yaml_null(self, node: yaml.ScalarNode) -> Any:
        super().construct_yaml_null(node)
        return None if node.value else _EMPTY


_Loader.add_constructor("tag:yaml.org,2002:null", _Loader.construct_yaml_null)


def _parsed(path: Path, folders: Sequence[Path], chain: Sequence[Path]) -> Any:
    built = f" (built on by {', '.join(map(str, chain))})" if chain else ""
    try:
        text = read_text(path)
        if len(text) > _LONGEST:
            raise ConfigurationError(f"{path}: holds {len(text)} characters, and a model card at most {_LONGEST}; "
                                     "name a model card")
        with parsing():
            return _Loader(text).get_single_data()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such model card; {_known(path.stem, [path.parent, *folders])}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}{built}: cannot be read ({error.strerror}); let --model name a model card "
                                 "that can") from error
    except ConfigurationError:
        raise
    except Exception as error:  # PyYAML raises many kinds, also for numbers and dates that are none
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        said = first_line(error) if mark is None else f"line {mark.line + 1}: {problem}"
        raise ConfigurationError(f"{path}{built}: not YAML ({said}); repair the model card") from error
