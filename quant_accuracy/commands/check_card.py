"""Check model cards: all that can be known without running the model, all faults at once.

Exit status: 0 when there is no fault, 2 when there is one.
"""

import sys
from typing import Dict, List, Optional, Sequence

from quant_accuracy.base import command_line, progress
from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.values import Values, from_environment

# The options that say where things are.
OPTIONS = [option for option in options.OPTIONS
           if option.key in (*options.PATHS.values(), "trust_checkpoint", "baseline_dir", "cache_dir")]


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy check-card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cards", nargs="+", metavar="CARD", help="model card: the path of a .yaml file, the name of "
                        "one in models/ or of a shipped one, or a pattern of either")
    options.declare(parser, OPTIONS)
    typed = vars(parser.parse_args(arguments))
    cards = typed.pop("cards")
    return command_line.exit_status(lambda: _check(cards, Values(typed, from_environment(OPTIONS))))


def _check(cards: Sequence[str], values: Values) -> int:
    progress.log(f"checking {', '.join(cards)}")
    from quant_accuracy.card_check import check
    from quant_accuracy.settings import card_files, folders
    from quant_accuracy.settings import request as requests

    def demo() -> DataPaths:
        from quant_accuracy.demo import ready

        return ready.data_paths(requests.chosen_cache(values))

    faulty = 0
    named: Dict[str, str] = {}
    for card in card_files.expand(cards, folders.cards(values)):
        found = check.check(card, values, demo)
        faults = [*found.faults]
        other = named.setdefault(found.name, card) if found.name else card
        if other != card:
            faults.append(f"{card}: name is {found.name}, as in {other}; give each model a name of its own, "
                                "baselines and reports are kept under it")
        for kind, lines in (("checked", found.checked), ("note", found.notes)):
            for line in lines:
                print(f"{kind}: {line}")
        # In one stream, or what belongs to a card would stand apart from it.
        for fault in faults:
            print(f"fault: {fault}")
        print(f"{card}: {_count(len(faults))}")
        faulty += bool(faults)
    sys.stdout.flush()
    return command_line.NOT_MEASURED if faulty else command_line.MEASURED


def _count(faults: int) -> str:
    return "no fault" if not faults else f"{faults} fault{'' if faults == 1 else 's'}"
