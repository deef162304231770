"""Arguments of pytest that cannot be mistaken: the values of our options behind an equals sign.

Pytest looks for its rootdir before it knows the options of plugins. Until then `--dataset-dir /data/coco` is a flag and
a path of tests to it, and `--dataset-dir=/data/coco` is not.
"""

import os
import sys
from typing import Dict, List, Sequence

from quant_accuracy.settings import options


def joined(arguments: Sequence[str]) -> List[str]:
    """The arguments, each option of the suite in one piece with its value.

    An option that another one follows lacks its value: pytest says so.
    """
    takes_value: Dict[str, bool] = {flag: bool(option.metavar) for option in options.SUITE_OPTIONS
                                    for flag in (option.flag, option.alias)}
    found: List[str] = []
    lacks_value = False
    for argument in arguments:
        if lacks_value and not argument.startswith("-"):
            found[-1] += f"={argument}"
            lacks_value = False
        else:
            found.append(argument)
            lacks_value = takes_value.get(argument, False)
    return found


def main() -> None:
    """Start pytest with the arguments of this process, joined: what `./run pytest` does."""
    os.execvp("pytest", ["pytest", *joined(sys.argv[1:])])


if __name__ == "__main__":
    main()
