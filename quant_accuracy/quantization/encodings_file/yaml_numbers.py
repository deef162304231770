"""The YAML that stands beside an export, AIMET's own too, whose numbers are objects of NumPy; read safely."""

from typing import Any

import numpy as np
import yaml

from quant_accuracy.base.errors import shown


def load(text: str) -> Any:
    """What a YAML text says.

    Raises:
        ValueError: A number in it is of a type that is no number.
        yaml.YAMLError: It is not YAML, or holds other objects.
    """
    return _Numbers(text).get_single_data()


class _Numbers(yaml.SafeLoader):
    """Reads what plain YAML says, and the numbers that AIMET's own YAML holds as objects of NumPy."""


_NUMPY = "tag:yaml.org,2002:python/object/apply:numpy."
_TYPES = ("f4", "f8", "i4", "i8")


def _dtype(loader: _Numbers, node: yaml.MappingNode) -> str:
    """The type of a number with its byte order, `<f8`."""
    document = loader.construct_mapping(node, deep=True)
    kind, order = document["args"][0], document["state"][1]
    if kind not in _TYPES or order not in ("<", ">"):
        raise ValueError(f"{shown(kind)} is not a type of numbers")
    return f"{order}{kind}"


def _scalar(loader: _Numbers, node: yaml.SequenceNode) -> Any:
    dtype, content = loader.construct_sequence(node, deep=True)
    (value,) = np.frombuffer(content, dtype)
    return value.item()


def _tuple(loader: _Numbers, node: yaml.SequenceNode) -> Any:
    return loader.construct_sequence(node, deep=True)


_Numbers.add_constructor(f"{_NUMPY}dtype", _dtype)
for _core in ("core", "_core"):  # before and since NumPy 2
    _Numbers.add_constructor(f"{_NUMPY}{_core}.multiarray.scalar", _scalar)
_Numbers.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)
