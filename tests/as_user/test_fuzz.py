"""Bad input: a slice of the fuzzer's cases."""

import pytest

from tests.fuzz import runner
from tests.fuzz.names import KINDS


def test_damaged_input_of_every_kind_ends_in_a_clear_error_or_a_correct_result() -> None:
    outcome = runner.run(runner.cases(KINDS, 24), seed=2019)

    assert not outcome.failures, "\n\n".join(f"{case}: {problem}" for case, problem in outcome.failures.items())
    assert {kind: sum(counts.values()) for kind, counts in outcome.counts.items()} == dict.fromkeys(KINDS, 24)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_damaged_files_end_in_a_clear_error_or_a_correct_result(seed: int) -> None:
    outcome = runner.run(runner.cases(KINDS, 150), seed, workers=2)

    assert not outcome.failures, "\n\n".join(f"{case}: {problem}" for case, problem in outcome.failures.items())


def test_the_fuzzer_sees_hangs_crashes_memory_and_errors_that_are_not_ours() -> None:
    outcome = runner.Outcome()
    outcome.add(("card", 0), runner.CORRECT, 11.0, 0.0)
    outcome.add(("card", 1), runner.REFUSED, 0.0, 2000.0)
    outcome.add(("card", 2), "Traceback", 0.0, 0.0)
    outcome.add(("card", 3), runner.CORRECT, 1.0, 1.0)

    assert sorted(outcome.failures) == [("card", 0), ("card", 1), ("card", 2)]
