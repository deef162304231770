"""Where the fields of a protobuf text stand, and the text without one of them."""

import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

# Space and comments; strings; names and numbers; single signs.
_TOKEN = re.compile(r"""\s+|\#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[-+.\w/]+|.""", re.DOTALL)
_OPEN, _CLOSE = "{<[", "}>]"


class Field(NamedTuple):
    """A field of a text.

    Attributes:
        path: The names that lead to it, its own the last.
        start: The position of its name.
        end: The position behind its value.
    """

    path: Tuple[str, ...]
    start: int
    end: int


def at(text: str, line: int, column: int) -> Optional[Field]:
    """The innermost field at a place, both counted from 1; None where there is none."""
    lines = text.split("\n")
    position = sum(len(before) + 1 for before in lines[:line - 1]) + column - 1
    holding = [field for field in fields(text) if field.start <= position < field.end]
    return max(holding, key=lambda field: len(field.path)) if holding else None


def without(text: str, field: Field) -> str:
    """The text with space in place of a field; everything else stays where it is."""
    return text[:field.start] + re.sub(r"\S", " ", text[field.start:field.end]) + text[field.end:]


def fields(text: str) -> List[Field]:
    """All fields; of a text that ends too early those that are whole."""
    tokens = [match for match in _TOKEN.finditer(text) if not match.group()[0].isspace() and match.group()[0] != "#"]
    return list(_walk(tokens))


def _walk(tokens: List["re.Match[str]"]) -> Iterator[Field]:
    opened: List[Tuple[str, int]] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        path = tuple(name for name, _ in opened)
        index += 1
        if token.group() in "}>":
            if opened:
                yield Field(path, opened.pop()[1], token.end())
            continue
        if token.group() in ";,":
            continue
        if index < len(tokens) and tokens[index].group() == ":":
            index += 1
        if index < len(tokens) and tokens[index].group() in "{<":
            opened.append((token.group(), token.start()))
            index += 1
        elif index < len(tokens):
            index = _behind_value(tokens, index)
            yield Field((*path, token.group()), token.start(), tokens[index - 1].end())


def _behind_value(tokens: List["re.Match[str]"], index: int) -> int:
    """The token behind a list or a scalar; strings in a row are one."""
    depth = 0
    quoted = tokens[index].group()[0] in "\"'"
    while index < len(tokens):
        sign = tokens[index].group()
        depth += (sign in _OPEN) - (sign in _CLOSE)
        index += 1
        if depth <= 0 and not (quoted and index < len(tokens) and tokens[index].group()[0] in "\"'"):
            break
    return index
