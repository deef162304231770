"""Reading mappings that people write: every key is known, every value has the form that it should have."""

import codecs
import contextlib
import gc
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from quant_accuracy.base.errors import ConfigurationError, shown
from quant_accuracy.base.near import near

_LARGEST = 1e300
_LONGEST_NUMBER = 40
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")


def read_text(path: Path) -> str:
    """The text of a file, in UTF-8 or, where a byte-order mark says so, in UTF-16; without the mark.

    Editors and shells of Windows write both; line ends stay as they are.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not text.
    """
    return decoded(path.read_bytes())


def decoded(content: bytes) -> str:
    """As `read_text`, of the bytes of a file.

    Raises:
        ValueError: They are not text.
    """
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text in UTF-8: byte {error.start} is {content[error.start]:#04x}") from error


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON, or is nested too deeply.
    """
    return parse_json(read_text(path))


def require_json(path: Path, remedy: str) -> Any:
    """The content of a JSON file that a person is asked to mend.

    Raises:
        ConfigurationError: It cannot be read; `remedy` says what to do.
    """
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); {remedy}") from error


def parse_json(text: str) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is not JSON, or is nested too deeply.
    """
    with parsing():
        return json.loads(text)


@contextlib.contextmanager
def parsing() -> Iterator[None]:
    """A block in which a text is parsed that may be nested too deeply, which is then a ValueError.

    Nothing is collected meanwhile: in the last frames that Python grants, an object that cleans up after itself, as
    TensorFlow's graphs do, ends the process.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    finally:
        if collecting:
            gc.enable()


class FieldError(ConfigurationError):
    """A key of a document is missing, unknown, or has a wrong value.

    Attributes:
        keys: The keys that lead to it, the outermost first; empty for the whole document.
    """

    def __init__(self, message: str, keys: Sequence[str]) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


class Section:
    """A mapping of a document that knows where it stands; errors name the file, the place and the remedy.

    Args:
        path: The file.
        prefix: The keys that lead here, each followed by a dot; empty for the whole document.
        value: What was parsed there.
        document: What the file is, for messages: `the model card`.
        origins: Where a document is made of several files: the one that says a key, by the keys that lead to it.
        keys: The keys that lead here.

    Raises:
        FieldError: `value` is not a mapping of names.
    """

    def __init__(self, path: str, prefix: str, value: Any, document: str,
                 origins: Optional[Mapping[Tuple[str, ...], str]] = None, keys: Sequence[str] = ()) -> None:
        self._path, self._prefix, self._value, self._document = path, prefix, value, document
        self._origins, self._keys = origins or {}, tuple(keys)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise FieldError(f"{self.file()}: {prefix.rstrip('.') or 'it'} is not a mapping of names; "
                             f"repair {document}", self._keys)

    def file(self, *keys: str) -> str:
        """The file that says the key that these keys lead to from here, or what is nearest to it."""
        whole = (*self._keys, *keys)
        nearest = (whole[:length] for length in range(len(whole), 0, -1))
        return next((self._origins[some] for some in nearest if some in self._origins), self._path)

    def only(self, *keys: str) -> "Section":
        """This section, after a check that it has no other keys."""
        for key in self._value:
            if key not in keys:
                raise self.error(key, f"is unknown; {hint(key, keys)}")
        return self

    def of_version(self, wanted: int, remedy: str, older: Sequence[int] = ()) -> "Section":
        """This section, after a check that its `schema_version` is the wanted one; `remedy` says what to do if not.

        Args:
            wanted: The version that is written now.
            remedy: What to do where it is another.
            older: Versions that can be read, too.
        """
        found = self.get("schema_version")
        if found not in (wanted, *older) or isinstance(found, bool):
            raise self.error("schema_version", f"is {shown(found)}, not {wanted}; {remedy}")
        return self

    def error(self, key: str, problem: str) -> FieldError:
        """An error about a key; `problem` says what is wrong and what to do."""
        return FieldError(f"{self.file(key)}: {self._prefix}{_cut(key)} {problem}", (*self._keys, key))

    def section(self, key: str) -> "Section":
        """The mapping at a key; an empty one where there is none."""
        value = self._value.get(key)
        return self.within(key, {} if value is None else value)

    def within(self, key: str, value: Any) -> "Section":
        """A mapping that was found below `key`."""
        return Section(self._path, f"{self._prefix}{key}.", value, self._document, self._origins, (*self._keys, key))

    def sections(self) -> Dict[str, "Section"]:
        """The mappings at all keys, in the order of the file."""
        return {key: self.section(key) for key in self._value}

    def items(self) -> Dict[str, Any]:
        """All keys and values."""
        return dict(self._value)

    def get(self, key: str, default: Any = None) -> Any:
        """The value at a key; a missing one without default is an error."""
        value = self._value.get(key, default)
        if value is None:
            raise self.error(key, f"is missing; add it to {self._document}")
        return value

    def text(self, key: str, default: Optional[str] = None) -> str:
        """A text that is not empty."""
        value = self.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"is {shown(value)}; give a text")
        return value

    def number(self, key: str, low: int, high: int, default: Optional[int] = None) -> int:
        """A whole number from `low` to `high`; also as `8.0` or "8", as tables and JavaScript write it."""
        value = self.get(key, default)
        number = as_number(value)
        if number is None or number % 1 or not low <= number <= high:
            raise self.error(key, f"is {shown(value)}; give a whole number from {low} to {high}")
        return int(number)

    def real(self, key: str, low: float, high: float) -> float:
        """A number from `low` to `high`; also as a text such as "5e-3", which YAML does not take for a number."""
        value = self.get(key)
        number = as_number(value)
        if number is None or not low <= number <= high:
            raise self.error(key, f"is {shown(value)}; give a number from {low:g} to {high:g}")
        return float(number)

    def known_real(self, key: str, low: float, high: float) -> Optional[float]:
        """A number from `low` to `high`; None where there is none."""
        return None if self._value.get(key) is None else self.real(key, low, high)

    def numbers(self, key: str, count: int) -> Tuple[float, ...]:
        """A list of so many finite numbers."""
        value = self.get(key)
        if not (isinstance(value, list) and len(value) == count and all(_is_real(item) for item in value)):
            raise self.error(key, f"is not a list of {count} numbers; repair {self._document}")
        return tuple(float(item) for item in value)

    def flag(self, key: str) -> Optional[bool]:
        """True or false, also as the texts "True" and "False" that AIMET's files have; None where it is not given."""
        value = self._value.get(key)
        known = as_flag(value)
        if value is None or known is not None:
            return known
        raise self.error(key, f"is {shown(value)}; give true or false")

    def names(self, key: str, at_least: int = 1) -> List[str]:
        """A list of texts."""
        value = self.get(key)
        if not (isinstance(value, list) and len(value) >= at_least and all(isinstance(item, str) for item in value)):
            raise self.error(key, f"is {shown(value)}; give a list of {at_least} or more names")
        return value


def as_number(value: Any) -> Union[int, float, None]:
    """The finite number that a value of a document is, or that a text there spells; None where it is none."""
    if isinstance(value, str) and len(value) < _LONGEST_NUMBER and _NUMBER.match(value.strip()):
        value = float(value)
    return value if _is_real(value) else None


def as_flag(value: Any) -> Optional[bool]:
    """What a value of a document says, true or false, or a text there; None where it says neither."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _is_real(value: Any) -> bool:
    # An integer of a document may be larger than every float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST


def _cut(key: str) -> str:
    return key if len(key) <= 100 else key[:97] + "..."


def hint(key: str, keys: Sequence[str]) -> str:
    """What to do with an unknown key: near names are often what was meant, others never."""
    meant = near(key, keys)
    return f"did you mean {meant[0]!r}? Else remove it" if meant else f"remove it; known here: {', '.join(keys)}"
