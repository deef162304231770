"""Run the gate suite with a regression in it, and compare the tests that are red with those that should be."""

import re
import tempfile
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence

from tests.mutations import plugin
from tests.mutations.table import HARMLESS, OF_CLASSES, Mutation
from tests.support import suite
from tests.support.suite import Finished

# Two at a time on two cores are faster than one after the other: much of a short run happens on one.
AT_A_TIME = 2


def run(mutation: Mutation, everything: bool) -> Finished:
    """Run the suite on the demo with a regression in it.

    Args:
        mutation: The regression.
        everything: Evaluate all images also where it can be seen on fewer.
    """
    part = [] if everything or mutation.shards is None else ["--shards", mutation.shards]
    with tempfile.TemporaryDirectory(prefix="mutation.") as folder:
        return run_demo([*part, *mutation.arguments(Path(folder))], mutation.broken)


def run_harmless(name: str) -> Finished:
    """Run the suite on the demo with one of the changes that must turn nothing red."""
    with tempfile.TemporaryDirectory(prefix="mutation.") as folder:
        return run_demo(HARMLESS[name](Path(folder)))


def run_demo(arguments: Sequence[str] = (), broken: str = "") -> Finished:
    """Run the suite on the demo, with something broken in the engine where that is named."""
    more = ["-p", plugin.__name__] if broken else []
    with tempfile.TemporaryDirectory(prefix="mutation.") as folder:
        return suite.run(Path(folder), "--threads", "1", "--no-why", *more, *arguments,
                         **{plugin.VARIABLE: broken})


def problems(mutation: Mutation, finished: Finished) -> List[str]:
    """How the red tests differ from those that should be red; none when the suite says what it should."""
    if not finished.outcomes:
        return [f"the suite did not run:\n{finished.said}"]
    red = finished.red()
    found = [] if finished.status == mutation.status else [f"exit status {finished.status}, not {mutation.status}"]
    for pattern in mutation.must:
        wanted = _matching([pattern], finished.outcomes)
        found += [f"not red: {test}" for test in wanted if test not in red]
        found += [] if wanted else [f"there is no test {pattern}"]
    explained = _matching([*mutation.must, *mutation.may, *OF_CLASSES], red)
    found += [f"red: {test}: {finished.messages[test].strip()}" for test in red if test not in explained]
    if not any(mutation.says in finished.messages[test] for test in _matching(mutation.must, red)):
        found.append(f"none of the tests that should be red says {mutation.says!r}")
    return found


def _matching(patterns: Iterable[str], tests: Iterable[str]) -> List[str]:
    whole = [re.compile(re.escape(pattern).replace(r"\*", ".*")) for pattern in patterns]
    return [test for test in tests if any(pattern.fullmatch(test) for pattern in whole)]


def figures(finished: Finished) -> Mapping[str, Mapping[str, float]]:
    """What was measured, and what is allowed, by gate: `value`, `lower`, `upper`."""
    found: Dict[str, Dict[str, float]] = {}
    for numbers in finished.numbers.values():
        if "verdict" in numbers:
            found[numbers["gate"]] = {key: float(numbers[key]) for key in ("value", "lower", "upper")
                                      if key in numbers}
    return found
