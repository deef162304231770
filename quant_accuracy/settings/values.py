"""The options of a run: what was typed, or set in the environment or in `pytest.ini`."""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import card_files
from quant_accuracy.settings.options import (
    DEFAULT_WHY_BUDGET,
    DEMO_CARD,
    MODEL,
    OPTIONS,
    PATHS,
    REAL_CARD,
    SETTINGS,
    Option,
)


@dataclass(frozen=True)
class Values:
    """The options of a run.

    Attributes:
        typed: Those of the command line, by key; None or missing means not given.
        set: Those of the environment and of `pytest.ini`, by key.
        root: The folder that defaults are relative to: pytest's rootdir, otherwise the working directory.
        suite: The command that runs the gates as this run was started; None for a run of a command line.
    """

    typed: Mapping[str, Any]
    set: Mapping[str, Any] = field(default_factory=dict)
    root: Path = field(default_factory=Path.cwd)
    suite: Optional[str] = None

    def get(self, key: str) -> Any:
        """The value of an option; None where it is not given."""
        typed = self.typed.get(key)
        return self.set.get(key) if typed is None else typed

    def paths(self, demo: bool) -> Dict[str, Any]:
        """The data paths that are given, by the card's names; the demo takes only what is typed for it alone."""
        if demo and len(self.models()) > 1:
            return {}
        return {name: value for name, value in
                ((name, self.typed.get(key) if demo else self.get(key)) for name, key in PATHS.items())
                if value is not None}

    def models(self) -> Sequence[str]:
        """The names or paths of the model cards."""
        given: Optional[Sequence[str]] = self.get(MODEL)
        if given:
            return given
        return [REAL_CARD if any(self.get(key) is not None for key in PATHS.values()) else DEMO_CARD]


def read_settings(lookup: Callable[[Option], Optional[str]], where: Callable[[Option], str],
                  known: Sequence[Option]) -> Dict[str, Any]:
    """The options that are set outside of the command line, by key.

    Args:
        lookup: From an option to its text; None or empty where it is not set.
        where: From an option to what is looked up, for messages.
        known: The options.

    Raises:
        ConfigurationError: A text is no value of its option.
    """
    found: Dict[str, Any] = {}
    for option in known:
        text = lookup(option)
        if text and text.strip():
            try:
                found[option.key] = option.read(text)
            except (ValueError, argparse.ArgumentTypeError) as error:
                raise ConfigurationError(f"{where(option)}: {error}; correct or remove it") from error
    return found


def from_environment(known: Sequence[Option] = OPTIONS) -> Dict[str, Any]:
    """The options that environment variables set: `QUANT_ACCURACY_` and the option's name in capitals.

    Raises:
        ConfigurationError: A variable is no value of its option.
    """
    return read_settings(lambda option: os.environ.get(option.variable),
                         lambda option: f"environment variable {option.variable}", known)


def relative_to(folder: Path, values: Mapping[str, Any]) -> Dict[str, Any]:
    """The values with their paths relative to a folder, those of model cards too."""
    return {key: joined(folder, value) if isinstance(value, Path) else
            [card_in(folder, name) for name in value] if key == MODEL and value else value
            for key, value in values.items()}


def card_in(folder: Path, name: str) -> str:
    """A model card as it is named, with its path, if it is one, relative to a folder."""
    return str(joined(folder, Path(name))) if name.endswith(card_files.SUFFIXES) else name


def joined(folder: Path, path: Path) -> Path:
    """A path relative to a folder, without `..` where that names the same."""
    whole = folder / path
    short = Path(os.path.normpath(str(whole)))
    # Behind a symbolic link `..` is elsewhere.
    return short if short == whole or (short.exists() and whole.exists() and short.samefile(whole)) else whole


def changes_card(values: Values) -> List[str]:
    """The options that make a run differ from what its model card says."""
    changed = changed_by_options(values)
    return [option.flag for option in OPTIONS if option.key in changed]


def changed_by_options(values: Values) -> Dict[str, str]:
    """What the options change of the model card, as text by the option's key."""
    keys = ("calibration_images", "quantsim_config", "load_encodings", "load_param_encodings", "runtime",
            *SETTINGS.values())
    return {option.key: str(values.get(option.key)) for option in OPTIONS
            if option.key in keys and values.get(option.key) is not None}


def part_of_data(values: Values) -> List[str]:
    """The options that leave images out."""
    return [option.flag for option in OPTIONS
            if option.key in ("shards", "shard_count", "eval_num_examples") and values.get(option.key) is not None]


def why_budget(values: Values) -> float:
    """How many minutes finding out why may take."""
    return float(values.get("why_budget") or DEFAULT_WHY_BUDGET)
