"""Flags that give way: one that another plugin has too is left to it, and ours has the longer name only.

Which plugins there are is not known before all have declared their options. Pytest up to 9.0 makes its parser anew of
what was declared, whenever it parses; later ones add each option to one parser as it is declared.
"""

import argparse
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Set, Tuple, cast

import pytest

from quant_accuracy.settings.options import Option

_Pairs = Sequence[Tuple[Dict[str, Any], Option]]


def add(parser: pytest.Parser, group: Any, known: Iterable[Option], prefix: str) -> None:
    """Declare options, each by its flag and by the longer name that nobody else has.

    Args:
        parser: Pytest's.
        group: The group of the parser that they become.
        known: The options.
        prefix: What the names of their values begin with.
    """
    pairs = [({**option.arguments(), "dest": prefix + option.key}, option) for option in known]
    if hasattr(group, "_arggroup"):
        _AddedAtOnce(parser, group).add(pairs)
        return
    for arguments, option in pairs:
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
        # Our own groups have nothing in common, and would ask each other for ever.
        taken = _names(group for group in _groups(self._parser) if not isinstance(group.options, _GivingWay))
        every = list(super().__iter__())
        for flag, alias in zip(every[::2], every[1::2]):
            free = not taken.intersection(flag.names())
            if free:
                yield flag
            alias.help = argparse.SUPPRESS if free else flag.attrs()["help"]
            yield alias


class _AddedAtOnce:
    """The options of a group whose parser has each as soon as it is declared.

    A flag that is there already is left out; one that somebody declares later is taken back.
    """

    def __init__(self, parser: Any, group: Any) -> None:
        self._parser, self._group = parser, group
        self._aliases: Dict[str, Any] = {}

    def add(self, pairs: _Pairs) -> None:
        taken = _names(_groups(self._parser))
        for arguments, option in pairs:
            free = option.flag not in taken
            if free:
                self._group.addoption(option.flag, **arguments)
            self._group.addoption(option.alias, **{**arguments, **({"help": argparse.SUPPRESS} if free else {})})
            if free:
                self._aliases[option.flag] = self._group.options[-1]
        for group in _groups(self._parser):
            self._watch(group._arggroup)
        make = self._parser.optparser.add_argument_group
        self._parser.optparser.add_argument_group = lambda *args, **kwargs: self._watch(make(*args, **kwargs))

    def _watch(self, group: Any) -> Any:
        """Let a group of argparse ask here before it refuses a flag that is taken."""
        refuse = group._handle_conflict_error

        def give_way(action: Any, taken: Sequence[Tuple[str, Any]]) -> None:
            ours = [(flag, other) for flag, other in taken if flag in self._aliases and other.container is
                    self._group._arggroup]
            if len(ours) < len(taken):
                refuse(action, taken)
            group._handle_conflict_resolve(action, ours)
            for flag, other in ours:
                self._aliases.pop(flag)._action.help = other.help
                self._group.options[:] = [option for option in self._group.options if option.names()]

        group._handle_conflict_error = give_way
        return group


def _groups(parser: Any) -> List[Any]:
    return [*parser._groups, *([] if parser._anonymous in parser._groups else [parser._anonymous])]


def _names(groups: Iterable[Any]) -> Set[str]:
    return {cast(str, name) for group in groups for option in group.options for name in option.names()}
