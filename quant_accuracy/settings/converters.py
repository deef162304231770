"""From the text of an option to its value; what is no such value is refused with what would be one."""

import argparse
import re
from typing import Callable, Sequence, Tuple

from quant_accuracy.base.words import REMEDIES, REPORT_FORMS


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text) if text.strip().isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def time_in(unit: str) -> Callable[[str], float]:
    """A converter that takes a time above zero, parts of a `unit` too."""

    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not 0 < number < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {unit} above 0")
        return number

    return convert


def cluster(text: str) -> str:
    """Where a Ray cluster is: a word, or a host and a port."""
    if text not in ("auto", "local") and not re.fullmatch(r"[^:/\s]+:\d{1,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a cluster address; use auto, HOST:PORT or local")
    return text


def choice(*names: str) -> Callable[[str], str]:
    """A converter that takes these names only."""

    def convert(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is unknown; use {' or '.join(names)}")
        return text

    return convert


def bitwidth(text: str) -> int:
    """A bit width that can be simulated."""
    if not text.strip().isdecimal() or not 2 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a bit width from 2 to 16")
    return int(text)


def switch(text: str) -> bool:
    """What a switch is set to where it is not typed but set: yes or no, in the usual words."""
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is neither yes nor no")
    return known[text.lower()]


def report_forms(text: str) -> Tuple[str, ...]:
    """The formats of a report, from a list such as `html,json`."""
    return _some_of(text, REPORT_FORMS, "report format")


def remedies(text: str) -> Tuple[str, ...]:
    """The remedies of a search, from a list such as `equalization,adaround`."""
    return _some_of(text, REMEDIES, "remedy")


def _some_of(text: str, known: Sequence[str], what: str) -> Tuple[str, ...]:
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for part in parts:
        if part not in known:
            raise argparse.ArgumentTypeError(f"{part!r} is not a {what}; use some of {','.join(known)}")
    return parts
