"""Flags that give way: one that another plugin has too is left to it, and ours has the longer name only.

Which plugins there are is not known before pytest makes its parser of all that they declared.
"""

import argparse
from typing import Any, Iterable, Iterator, List, Set, cast

import pytest

from quant_accuracy.settings.options import Option


def add(parser: pytest.Parser, group: Any, known: Iterable[Option], prefix: str) -> None:
    """Declare options, each by its flag and by the longer name that nobody else has.

    Args:
        parser: Pytest's.
        group: The group of the parser that they become.
        known: The options.
        prefix: What the names of their values begin with.
    """
    for option in known:
        arguments = {**option.arguments(), "dest": prefix + option.key}
        group.addoption(option.flag, **arguments)
        group.addoption(option.alias, **arguments)
    group.options = _GivingWay(group.options, parser)


class _GivingWay(List[Any]):
    """The options of a group, in pairs of flag and alias: without the flags that others have.

    Of a flag that is nobody else's, `--help` does not show the alias.
    """

    def __init__(self, options: Iterable[Any], parser: Any) -> None:
        super().__init__(options)
        self._parser = parser

    def __iter__(self) -> Iterator[Any]:
        taken = self._taken()
        every = list(super().__iter__())
        for flag, alias in zip(every[::2], every[1::2]):
            free = not taken.intersection(flag.names())
            if free:
                yield flag
            alias.help = argparse.SUPPRESS if free else flag.attrs()["help"]
            yield alias

    def _taken(self) -> Set[str]:
        others = [*self._parser._groups, self._parser._anonymous]
        return {cast(str, name) for group in others if group.options is not self for option in group.options
                for name in option.names()}
