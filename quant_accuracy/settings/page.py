"""Prints the page of all options: `python -m quant_accuracy.settings.page > docs/options.md`."""

from typing import List, Sequence

from quant_accuracy.settings.options import OPTIONS, REPAIR_OPTIONS, REPORT_OPTIONS, SUITE_OPTIONS, Option

_HEAD = """# Options

Written by `python -m quant_accuracy.settings.page`. `quant-accuracy report`, `repair`, `jitter` and pytest have the
same options. What is typed comes before the environment, and that before `pytest.ini` (or whichever file pytest
reads its settings from; the command lines do not read it).

Paths that are typed, or set in the environment, are relative to the working directory; those in `pytest.ini` to that
file. Defaults are relative to pytest's `rootdir`, for a command line to the working directory. A model card is looked
for by its name in `models/` there, then among the shipped ones; baselines of a card that is given by its path also
beside it, or beside the `models/` that it lies in. The embedded demo brings its own baseline.

A switch is set by `yes`, `true`, `on` or `1` where it is not typed. `--model` takes several names, one word each. A
variable or setting that holds nothing is not set; nothing that is typed, as in `--shards=`, is refused.

Under pytest every option is also `--quant-accuracy-NAME`. Where another plugin has the short name, it keeps it, and
the long one is ours: `--quant-accuracy-report html`. `--strict`, which pytest has, too (an old name of
`--strict-markers`, and since 9 its strict mode), makes inconclusive verdicts red where it is typed, and not where it
stands among `addopts`.
"""


def page() -> str:
    """The page, Markdown."""
    shared = [option for option in REPORT_OPTIONS if option in SUITE_OPTIONS and option not in OPTIONS]
    parts = [_HEAD, "## Everywhere\n", *_table(OPTIONS),
             "\n## The report and pytest\n", *_table(shared),
             "\n## The report only\n", *_table([option for option in REPORT_OPTIONS if option not in SUITE_OPTIONS]),
             "\n## The search for a repair only\n",
             *_table([option for option in REPAIR_OPTIONS if option not in OPTIONS]),
             "\n## pytest only\n", *_table([option for option in SUITE_OPTIONS if option not in REPORT_OPTIONS])]
    return "\n".join(parts) + "\n"


def _table(known: Sequence[Option]) -> List[str]:
    lines = ["| option | what it does | default | environment, `pytest.ini` |", "|--|--|--|--|"]
    for option in known:
        typed = f"{option.flag} {option.metavar}".strip()
        setting = f", `{option.ini}`" if option in SUITE_OPTIONS else ""
        cells = (f"`{typed}`", option.purpose.replace("|", "\\|"),
                 option.default or ("" if option.metavar else "off"), f"`{option.variable}`{setting}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    print(page(), end="")
