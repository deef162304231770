"""The gate suite turns red for what it is for, by the right tests and no others, and stays green otherwise.

Here runs a selection of the table of regressions, which turns red every test that the whole table has to turn red.
`./run python -m tests.mutations` runs the whole table on all images, asserts the same, and writes `docs/mutations.md`.
"""

import importlib
import operator
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Callable, Dict, Iterator

import pytest

from tests.mutations import __main__ as page
from tests.mutations import plugin, runs
from tests.mutations.table import DISJOINT_SUBSETS, HARMLESS, MUTATIONS, Mutation
from tests.support.suite import FAILED, PASSED, Finished

pytestmark = pytest.mark.one_lane

_BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}
_HERE = [name for name, mutation in _BY_NAME.items() if not mutation.only_on_page]


def _run(name: str) -> Finished:
    if name in HARMLESS:
        return runs.run_harmless(name)
    return runs.run(_BY_NAME[name], everything=False) if name in _BY_NAME else runs.run_demo(["--shards", name])


@pytest.fixture(scope="module")
def finished(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Finished]]:
    """The run of a regression or of some shards; those that are selected run side by side."""
    # A worker of xdist cannot know which of them it will be given.
    selected = [] if hasattr(request.config, "workerinput") else request.session.items
    with ThreadPoolExecutor(runs.AT_A_TIME) as pool:
        started: Dict[str, "Future[Finished]"] = {}

        def start(name: str) -> "Future[Finished]":
            if name not in started:
                started[name] = pool.submit(_run, name)
            return started[name]

        for item in selected:
            values: Dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
            if getattr(item, "module", None) is request.module and "suite_run" in values:
                start(values["suite_run"])
        yield lambda name: start(name).result()
        for future in started.values():
            future.cancel()


@pytest.mark.parametrize("suite_run", _HERE)
def test_the_suite_catches(suite_run: str, finished: Callable[[str], Finished]) -> None:
    assert not runs.problems(_BY_NAME[suite_run], finished(suite_run))


@pytest.mark.parametrize("suite_run", [*DISJOINT_SUBSETS, *HARMLESS])
def test_the_untouched_demo_is_green_on_shards_and_with_harmless_changes(
        suite_run: str, finished: Callable[[str], Finished]) -> None:
    done = finished(suite_run)

    assert done.outcomes
    assert (done.red(), done.status) == ([], 0)


@pytest.mark.parametrize("name", sorted(plugin.BREAKS))
def test_what_a_break_changes_is_there(name: str) -> None:
    chosen = plugin.BREAKS[name]

    assert callable(operator.attrgetter(chosen.function)(importlib.import_module(f"quant_accuracy.{chosen.module}")))


def test_what_is_left_to_the_page_has_to_turn_no_test_red_that_is_not_turned_red_here() -> None:
    here = {pattern for name in _HERE for pattern in _BY_NAME[name].must}

    assert {pattern for mutation in MUTATIONS for pattern in mutation.must} == here


def test_what_is_red_or_green_against_the_table_is_told() -> None:
    mutation = Mutation("name", "", "", must=("test_a[*-w]", "test_b"), says="wrong", may=("test_c",))
    outcomes = {"test_a[m-v]": PASSED, "test_a[m-w]": FAILED, "test_b": FAILED, "test_c": FAILED, "test_d": PASSED}
    right = Finished(1, "", outcomes, dict.fromkeys(outcomes, "this is wrong"), {})

    assert not runs.problems(mutation, right)
    assert not runs.problems(mutation, replace(right, outcomes={**outcomes, "test_c": PASSED}))
    for changed, problem in [
        (replace(right, status=0), "exit status 0, not 1"),
        (replace(right, outcomes={**outcomes, "test_b": PASSED}), "not red: test_b"),
        (replace(right, outcomes={**outcomes, "test_d": FAILED}), "red: test_d: this is wrong"),
        (replace(right, outcomes={name: outcomes[name] for name in outcomes if name != "test_b"}),
         "there is no test test_b"),
        (replace(right, messages=dict.fromkeys(outcomes, "")), "none of the tests that should be red says 'wrong'"),
        (replace(right, outcomes={}, said="no such option"), "the suite did not run:\nno such option"),
    ]:
        assert runs.problems(mutation, changed) == [problem]


def test_the_page_lists_the_mutations_of_the_table() -> None:
    table = page.PAGE.read_text(encoding="utf-8").split("## False alarms")[0]

    assert re.findall(r"^\| (?!regression)([^|]+) \|", table, re.MULTILINE) == list(_BY_NAME)
