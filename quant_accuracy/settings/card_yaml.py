"""The YAML of model cards: read safely, and nothing in it lost without a word."""

from pathlib import Path
from typing import Any, Dict, Sequence

import yaml

from quant_accuracy.base.documents import parsing, read_text
from quant_accuracy.base.errors import ConfigurationError, first_line
from quant_accuracy.settings import card_files

# Characters; YAML takes long to read.
_LONGEST = 1 << 16
# Values, each of them counted wherever an alias repeats it: a few lines of aliases can stand for billions.
_MOST = 10_000


class _Empty:
    """What stands behind a key without a value, as opposed to `null`."""


EMPTY = _Empty()


class _Loader(yaml.SafeLoader):
    """Reads YAML safely, and refuses a key that stands twice: the first one would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Dict[Any, Any]:
        seen: Dict[Any, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} appears twice, in lines {seen[key.value]} and {line}", key.start_mark)
                seen[key.value] = line
        found: Dict[Any, Any] = super().construct_mapping(node, deep)
        return found

    def construct_yaml_null(self, node: yaml.ScalarNode) -> Any:
        super().construct_yaml_null(node)
        return None if node.value else EMPTY


_Loader.add_constructor("tag:yaml.org,2002:null", _Loader.construct_yaml_null)


def parse(path: Path, folders: Sequence[Path] = (), chain: Sequence[Path] = ()) -> Any:
    """What a file says; `EMPTY` where a key has no value.

    Args:
        path: The file.
        folders: Where other cards are, for messages.
        chain: The cards that build on it, for messages.

    Raises:
        ConfigurationError: The file is missing or too long, is not YAML, or expands to too much.
    """
    built = f" (built on by {', '.join(map(str, chain))})" if chain else ""
    try:
        text = read_text(path)
        if len(text) > _LONGEST:
            raise ConfigurationError(f"{path}: holds {len(text)} characters, and a model card at most {_LONGEST}; "
                                     "name a model card")
        with parsing():
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is not None and _expanded(node, {}) > _MOST:
                raise ConfigurationError(f"{path}{built}: its aliases expand to more than {_MOST} values; write out "
                                         "what they stand for, or name a model card")
            return None if node is None else loader.construct_document(node)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such model card; "
                                 f"{card_files.known(path.stem, [path.parent, *folders])}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}{built}: cannot be read ({error.strerror}); let --model name a model card "
                                 "that can") from error
    except ConfigurationError:
        raise
    except Exception as error:  # PyYAML raises many kinds, also for numbers and dates that are none
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        said = first_line(error) if mark is None else f"line {mark.line + 1}: {problem}"
        raise ConfigurationError(f"{path}{built}: not YAML ({said}); repair the model card") from error


def _expanded(node: yaml.Node, known: Dict[int, int]) -> int:
    """How many values a node stands for; one that holds itself, more than there can be."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = _MOST + 1
        inner = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        known[id(node)] = 1 + sum(_expanded(part, known) for part in inner)
    return known[id(node)]
