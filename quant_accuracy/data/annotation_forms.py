"""The forms in which other writers put what COCO's JSON holds: each is read where it can mean one thing only."""

import gzip
import json
import re
import zlib
from typing import Any, List, Mapping, Optional, Union

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LARGEST = 1e9
_GZIP = b"\x1f\x8b"
_FLAGS: Mapping[Any, int] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def text_of(content: bytes) -> str:
    """The text of a JSON file: in UTF-8, -16 or -32, as its first bytes show; unpacked where gzip has packed it.

    Raises:
        ValueError: It is damaged, or is not text.
    """
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"the gzip file is damaged: {error}") from error
    # They cannot be mistaken for each other in JSON, whose first characters are ASCII (RFC 4627, 3).
    return content.decode(json.detect_encoding(content))


def number(value: Any) -> Optional[Union[int, float]]:
    """A number below 1e9 in size, also where it was written as text; None where it is none, or not finite."""
    if isinstance(value, str) and len(value) < 100 and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < _LARGEST:
        return None
    return value


def flag(value: Any) -> Optional[int]:
    """0 or 1, also written as a truth value, as text, or as the null of a table; None where it is neither."""
    if value is None:
        return 0
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    return int(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def rows(section: Any) -> Optional[List[Any]]:
    """The entries of a section as a list; None where it has none of the known forms.

    Besides a list these are what tables write (pandas' `to_json`, `orient` index and columns: `{"0": {"id": 1, ...}}`
    and `{"id": {"0": 1, ...}, ...}`), and categories as names by id or ids by name, `{"1": "person"}`, `{"person": 1}`.
    """
    if isinstance(section, list):
        return section
    if not isinstance(section, dict) or not section:
        return None
    values = list(section.values())
    if all(isinstance(value, dict) for value in values):
        if "id" in section:
            labels = list(section["id"])
            same = all(list(column) == labels for column in values)
            return [{key: column[label] for key, column in section.items()} for label in labels] if same else None
        return values if all("id" in value for value in values) else None
    if all(isinstance(value, str) for value in values) and all(re.fullmatch("[0-9]+", key) for key in section):
        return [{"id": int(key), "name": value} for key, value in section.items()]
    if all(isinstance(value, int) for value in values) and not any(re.fullmatch("[0-9]+", key) for key in section):
        return [{"id": value, "name": key} for key, value in section.items()]
    return None


def are_results(document: Any) -> bool:
    """Whether a document looks like COCO's results: a list of detections."""
    return isinstance(document, list) and bool(document) and isinstance(document[0], dict) \
        and {"image_id", "category_id", "score"} <= set(document[0])


def is_json_lines(head: bytes, error: ValueError) -> bool:
    """Whether a file that is not JSON, since something follows its first value, has a value a line."""
    if not isinstance(error, json.JSONDecodeError) or not error.msg.startswith("Extra data"):
        return False
    first = head.splitlines()[0] if head else b""
    try:
        return isinstance(json.loads(first.decode("utf-8", "replace")), (dict, list))
    except ValueError:
        # The first line is longer than what was read of it.
        return error.lineno == 2
