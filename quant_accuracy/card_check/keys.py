"""The keys of a model card: all that is wrong with them, not only the first.

The card's own reader says what is wrong, one thing at a time. Each is noted and taken out of the document, or filled in
from a shipped card where it is needed, until the reader has nothing to say.
"""

import copy
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Set, Tuple

from quant_accuracy.base.documents import FieldError
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import card as cards
from quant_accuracy.settings import card_bases, card_files
from quant_accuracy.settings.card import ModelCard
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import GATES
from quant_accuracy.settings.options import REAL_CARD

# Whoever has more should start from a shipped card.
_MOST = 200
_MEANT = re.compile("did you mean '([^']+)'")
_SOUND_GATE = {"limit": 0.5, "expected": 0.5, "within": 0.1}
_CONFIG = ("quantization", "config")

_Keys = Tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """A model card as far as it can be read.

    Attributes:
        faults: What is wrong, one line each.
        card: The card; None where nothing of it can be used.
        faulty: The sections (`graph`, `data`, ...) in which something is wrong: of these the card is not what it says.
    """

    faults: Sequence[str]
    card: Optional[ModelCard]
    faulty: FrozenSet[str] = frozenset()


def read(name_or_path: str, folders: Sequence[Path] = (SHIPPED,)) -> Read:
    """Read a model card past all that is wrong with its keys."""
    try:
        document = card_bases.read(card_files.find(name_or_path, folders), folders)
    except ConfigurationError as error:
        return Read([str(error)], None)
    content: Dict[str, Any] = copy.deepcopy(dict(document.content))
    sound = {**card_bases.read(card_files.find(REAL_CARD)).content, "gates": dict.fromkeys(GATES, _SOUND_GATE)}
    faults: List[str] = []
    blamed: Set[_Keys] = set()
    meant: Set[_Keys] = set()
    for _ in range(_MOST):
        try:
            card = cards.read(replace(document, content=content), name_or_path)
            return Read(faults, card, frozenset(keys[0] for keys in blamed))
        except ConfigurationError as error:
            # The configuration is a file of its own.
            keys = error.keys if isinstance(error, FieldError) and not _of_config(content, error) else _CONFIG
            if keys not in blamed and keys not in meant:
                faults.append(str(error))
            blamed.add(keys)
            # A misspelt key is one fault, though what it was meant for is missing then.
            meant.update((*keys[:-1], name) for name in _MEANT.findall(str(error)))
            if not _repair(content, keys, sound):
                break
    return Read(faults, None)


def _of_config(content: Dict[str, Any], error: FieldError) -> bool:
    """Whether an error is about the configuration's file."""
    section = content.get(_CONFIG[0])
    config = section.get(_CONFIG[1]) if isinstance(section, dict) else None
    return isinstance(config, str) and str(error).startswith(f"{Path(config)}: ")


def _repair(content: Dict[str, Any], keys: _Keys, sound: Any) -> bool:
    """Take a faulty key out, or fill in one that is missing; say whether that could be done."""
    if not keys:
        return False
    *outer, last = keys
    for key in outer:
        if not isinstance(content.get(key), dict):
            content[key] = {}
        content, sound = content[key], sound.get(key, {}) if isinstance(sound, dict) else {}
    if last in content:
        del content[last]
        return True
    if isinstance(sound, dict) and last in sound:
        content[last] = sound[last]
        return True
    return False
