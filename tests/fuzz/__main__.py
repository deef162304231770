"""Damages input and looks what happens: `./run python -m tests.fuzz --cases 2000 --seed 1`.

Exit status: 0 when every case ended in an error of ours or in a correct result, 1 when one did not.
"""

import argparse
import sys
import time

from tests.fuzz import runner
from tests.fuzz.names import KINDS


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000, help="cases in all (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="what the cases follow from (default 0)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind; may be given several times")
    parser.add_argument("--number", type=int, help="only the case of this number, of each kind")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    values = parser.parse_args()
    kinds = values.kind or KINDS
    chosen = runner.cases(kinds, 1, values.number) if values.number is not None \
        else runner.cases(kinds, -(-values.cases // len(kinds)))
    start = time.perf_counter()
    outcome = runner.run(chosen, values.seed, values.workers)
    for (kind, number), problem in sorted(outcome.failures.items()):
        print(f"{kind} {number} (--seed {values.seed} --kind {kind} --number {number}): {problem}\n")
    print("\n".join(runner.table(outcome)))
    print(f"\n{len(chosen)} cases with the seed {values.seed}, {len(outcome.failures)} failed, "
          f"{time.perf_counter() - start:.0f} s")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
