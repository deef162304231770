"""Names that were probably meant by one that nobody knows."""

import difflib
from typing import Iterable, List

# Of whole names, and of what stands behind their last slash: names of one scope are alike, and mean other things.
_WHOLE, _LEAF = 0.8, 0.6
_LONGEST = 200
_SHORTEST_STEM = 4


def near(name: str, known: Iterable[str], count: int = 1) -> List[str]:
    """The names that are spelled nearly so, nearest first.

    Case makes no difference. A name also stands near its beginning (`Conv`, `Convolution`) and behind scopes that were
    left out (`input`, `Scope/input`).

    Args:
        name: What was given.
        known: What there is.
        count: How many to give at most.
    """
    given = name[:_LONGEST].lower()
    matcher, leaf = difflib.SequenceMatcher(b=given), difflib.SequenceMatcher(b=_leaf(given))
    found = []
    for other in known:
        spelled = other[:_LONGEST].lower()
        matcher.set_seq1(spelled)
        leaf.set_seq1(_leaf(spelled))
        if _extends(given, spelled) or (matcher.quick_ratio() >= _WHOLE and matcher.ratio() >= _WHOLE
                                        and leaf.ratio() >= _LEAF):
            found.append((-matcher.ratio(), other))
    return [other for _, other in sorted(found)[:count]]


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]


def _extends(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHORTEST_STEM and (long.endswith(f"/{short}") or (long.startswith(short) and "/" not in long))
