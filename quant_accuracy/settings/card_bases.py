"""Model cards that build on one another.

A card with `base` says only what differs from another one: mappings are merged key by key, everything else replaces
what the base says, and `null` removes it.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.base.documents import Section, hint
from quant_accuracy.base.errors import shown
from quant_accuracy.base.near import near
from quant_accuracy.settings import card_files, card_yaml
from quant_accuracy.settings.card_files import SHIPPED, SUFFIXES
from quant_accuracy.settings.card_yaml import EMPTY
from quant_accuracy.settings.gates import EXPECTED, LIMIT

BASE = "base"
# Relative to the file that says them.
PATHS = (("data", "checkpoint"), ("data", "dataset_dir"), ("data", "annotations"), ("quantization", "config"),
         ("quantization", "checkpoint"), ("quantization", "encodings"), ("quantization", "param_encodings"))
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
    own = _anchored(card_yaml.parse(path, folders, chain), path.parent)
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
    if name.endswith(SUFFIXES):
        found = path.parent / Path(name).expanduser()
        if not found.is_file():
            raise whole.error(BASE, f"is {shown(name)}, and there is no file {found}; correct the path, which is "
                              "relative to the card that says it")
        return found
    places = [path.parent, *folders]
    candidates = [folder / f"{name}.yaml" for folder in places if (folder / f"{name}.yaml").is_file()]
    if not candidates:
        names = [other for folder in dict.fromkeys(places) for other in card_files.names_in(folder)]
        meant = "".join(f"did you mean {other!r}? Else " for other in near(name, names) if other != path.stem)
        raise whole.error(BASE, f"is {shown(name)}, and there is no such model card beside it or in "
                          f"{' or '.join(map(str, dict.fromkeys(folders)))}; {meant}give its path, relative to the "
                          "card that says it, or start in the folder whose models/ has it")
    others = [candidate for candidate in candidates if candidate.resolve() != path.resolve()]
    return others[0] if others else candidates[0]


def _arrows(chain: Sequence[Path]) -> str:
    return " -> ".join(map(str, chain))


def _merge(into: Dict[Any, Any], own: Mapping[Any, Any], section: Section, keys: Tuple[str, ...],
           origins: Dict[Tuple[str, ...], str]) -> None:
    """Lay a card's mapping over that of its base."""
    for key, value in own.items():
        here = (*keys, key)
        if value is EMPTY:
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


def _without_gaps(content: Any, done: Optional[Dict[int, Any]] = None) -> Any:
    """The document of a card that builds on none: there, a key without a value is as good as null.

    What anchors and aliases share stays shared: nine aliases of nine aliases would grow without end.
    """
    done = {} if done is None else done
    if id(content) in done:
        return done[id(content)]
    if isinstance(content, dict):
        of_keys: Dict[Any, Any] = {}
        done[id(content)] = of_keys
        of_keys.update((key, _without_gaps(value, done)) for key, value in content.items())
        return of_keys
    if isinstance(content, list):
        of_items: List[Any] = []
        done[id(content)] = of_items
        of_items.extend(_without_gaps(value, done) for value in content)
        return of_items
    return None if content is EMPTY else content

