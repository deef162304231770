"""Prints the page of all options: `python -m quant_accuracy.settings.page > docs/options.md`."""

from typing import Dict, List, Sequence

from quant_accuracy.settings import option_groups, options
from quant_accuracy.settings.options import Option

# Who takes which options.
TAKERS: Dict[str, Sequence[Option]] = {
    "report": options.REPORT_OPTIONS,
    "pytest": options.SUITE_OPTIONS,
    "repair": options.REPAIR_OPTIONS,
    "jitter": options.JITTER_OPTIONS,
    "device-bundle": options.BUNDLE_OPTIONS,
}

_HEAD = """# Options

Written by `./run python -m quant_accuracy.settings.page > docs/options.md`.

The command line takes precedence over the environment, and the environment over `pytest.ini` (or whichever file pytest
reads its settings from; only pytest reads it). An option `--some-name` is `QUANT_ACCURACY_SOME_NAME` in the environment
and `quant_accuracy_some_name` in `pytest.ini`.

- **Paths** on the command line and in the environment are relative to the working directory, those in `pytest.ini` to
  that file. Defaults are relative to pytest's `rootdir`, for other commands to the working directory.
- **Model cards** are looked up by name in `models/` there, then among the shipped ones. Baselines of a card given by
  path are also looked for beside it, or beside the `models/` that contains it. The embedded demo brings its own.
- **Switches** are set by `yes`, `true`, `on` or `1` in the environment and in `pytest.ini`. `--model` takes several
  names there, separated by spaces. An empty variable or setting counts as not set; an empty value on the command line
  (`--shards=`) is refused.
- **Clashes under pytest:** every option is also `--quant-accuracy-NAME`. If another plugin has the short name, it keeps
  it. pytest's own `--strict` (an old name of `--strict-markers`, strict mode since pytest 9) makes inconclusive
  verdicts red when it is typed, but not when it is in `addopts`.
"""


def page() -> str:
    """The page, Markdown."""
    known = {option.key: option for taken in TAKERS.values() for option in taken}
    parts = [_HEAD]
    for heading, keys in option_groups.grouped(known).items():
        parts += [f"## {heading[:1].upper()}{heading[1:]}\n", *_table([known[key] for key in keys]), ""]
    return "\n".join(parts)


def _table(known: Sequence[Option]) -> List[str]:
    lines = ["| option | what it does | default | taken by | environment | `pytest.ini` |", "|--|--|--|--|--|--|"]
    for option in known:
        takers = [name for name, taken in TAKERS.items() if option in taken]
        cells = (f"`{f'{option.flag} {option.metavar}'.strip()}`", option.purpose.replace("|", "\\|"),
                 option.default or ("" if option.metavar else "off"),
                 "all" if len(takers) == len(TAKERS) else ", ".join(takers), f"`{option.variable}`",
                 f"`{option.ini}`" if "pytest" in takers else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    print(page(), end="")
