"""Ways to damage a file: its bytes, the tree of a document, its text. Everything follows from the given `Random`."""

import copy
import json
from random import Random
from typing import Any, Callable, List, Sequence, Tuple

INVALID_UTF8 = (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80")
_DEEP = 200000


class Raw(str):
    """Text that stands in a document as it is."""


def any_bytes(random: Random, content: bytes) -> bytes:
    """Flip, cut, repeat, insert and swap bytes."""
    for _ in range(random.choice((1, 1, 1, 3, 20))):
        content = random.choice(_BYTES)(random, content)
    return content


def _place(random: Random, content: bytes) -> Tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.choice((1, 1, 2, 4, 8, 64, 1024)))


def _flip(random: Random, content: bytes) -> bytes:
    start, end = _place(random, content)
    return content[:start] + bytes(byte ^ 1 << random.randrange(8) for byte in content[start:end]) + content[end:]


def _replace(random: Random, content: bytes) -> bytes:
    start, end = _place(random, content)
    kind = random.randrange(3)
    new = [b"\0" * (end - start), b"\xff" * (end - start), bytes(random.randrange(256) for _ in range(end - start))]
    return content[:start] + new[kind] + content[end:]


def _cut(random: Random, content: bytes) -> bytes:
    return content[:random.randrange(len(content) + 1)]


def _delete(random: Random, content: bytes) -> bytes:
    start, end = _place(random, content)
    return content[:start] + content[end:]


def _repeat(random: Random, content: bytes) -> bytes:
    start, end = _place(random, content)
    return content[:end] + content[start:end] * random.choice((1, 2, 100)) + content[end:]


def _insert(random: Random, content: bytes) -> bytes:
    start, _ = _place(random, content)
    return content[:start] + random.choice((b"\0", b"\n", b'"', b"{", b"]", b"\xef\xbb\xbf", *INVALID_UTF8)) \
        + content[start:]


def _swap(random: Random, content: bytes) -> bytes:
    (a, b), (c, d) = sorted((_place(random, content), _place(random, content)))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:] if b <= c else content


def _nothing(random: Random, content: bytes) -> bytes:
    return random.choice((b"", content, bytes(random.randrange(256) for _ in range(random.randrange(2000)))))


_BYTES: Sequence[Callable[[Random, bytes], bytes]] = (_flip, _flip, _replace, _replace, _cut, _cut, _delete, _repeat,
                                                      _insert, _swap, _nothing)


def odd_value(random: Random) -> Any:
    """A value that a document should not have where it is put."""
    return random.choice((
        None, True, False, 0, -1, 1, 2, 3, 7, 1.5, -0.0, 1e308, -1e308, 5e-324, 2 ** 31, 2 ** 63, 2 ** 64, -2 ** 63,
        10 ** 400, float("nan"), float("inf"), float("-inf"), Raw("1e999"), Raw("9" * 50000), "", " ", "nan", "1",
        "True", "x" * 100000, Raw('{"a":' * 900 + "1" + "}" * 900), Raw('{"a":' * 450 + "1" + "}" * 450), "\ud800",
        "\0", "../../etc/passwd", "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s%n", [], {}, [[]], [{}],
        [None], {"": None}, {"a": {"b": []}}, [0] * 10000, Raw("[" * 900 + "]" * 900), Raw("[" * _DEEP),
        Raw("[" * _DEEP + "]" * _DEEP), Raw('{"a":' * _DEEP + "1" + "}" * _DEEP),
    ))


def document(random: Random, value: Any) -> Any:
    """A document with some of its values replaced, dropped, renamed, repeated or swapped."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        places = list(_places(value))
        if not places:
            return odd_value(random)
        holder, key = random.choice(places)
        if not _has(holder, key):
            continue
        kind = random.randrange(9)
        if kind <= 3:
            holder[key] = odd_value(random)
        elif kind == 4:
            del holder[key]
        elif kind == 5:
            holder[key] = _other_type(holder[key])
        elif kind == 6:
            other, where = random.choice(places)
            if _has(other, where):
                holder[key], other[where] = copy.deepcopy(other[where]), copy.deepcopy(holder[key])
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 7:
            holder[random.choice(("", "x", key + "s", key.upper(), "\ud800", "id", "name"))] = holder.pop(key)
        else:
            # A mapping has a key twice only in its text.
            holder[Again(key)] = odd_value(random)
    return odd_value(random) if random.randrange(60) == 0 else value


class Again(str):
    """A key that is in its mapping already: different from all others until it is written."""

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def _has(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else isinstance(holder, list) and key < len(holder)


def _places(value: Any) -> List[Tuple[Any, Any]]:
    found: List[Tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else []
        for key in keys:
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def _other_type(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if isinstance(value, (dict, list)):
        return str(value)
    return str(value)


def as_text(value: Any) -> bytes:
    """A document as JSON, with all that is not JSON in it as it is."""
    if isinstance(value, Raw):
        return str(value).encode()
    if isinstance(value, dict):
        return b"{" + b", ".join(json.dumps(str(key)).encode() + b": " + as_text(item)
                                 for key, item in value.items()) + b"}"
    if isinstance(value, list):
        return b"[" + b",\n".join(map(as_text, value)) + b"]"
    return json.dumps(value).encode()


def json_file(random: Random, value: Any) -> bytes:
    """A damaged JSON file: its document, its bytes, or both."""
    kind = random.randrange(4)
    text = as_text(document(random, value) if kind else value)
    return any_bytes(random, text) if kind <= 1 else text
