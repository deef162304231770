"""Writes the page on what the gate suite catches: `./run python -m tests.mutations`."""

import re
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.base import files
from tests.mutations import runs
from tests.mutations.table import HARMLESS, MUTATIONS, SUBSETS, Mutation
from tests.support.places import ROOT
from tests.support.suite import SKIPPED, Finished

PAGE = ROOT / "docs" / "mutations.md"
_FLOAT, _QUANTIZED = "float_mAP_baseline", "mAP_baseline"


class _Measured(NamedTuple):
    """Runs of the suite: on the untouched demo, with each mutation, on parts of the demo, and with harmless changes."""

    untouched: Finished
    mutated: Sequence[Finished]
    parts: Sequence[Finished]
    harmless: Sequence[Finished]


def main() -> int:
    """Run the suite with every regression on all images; write the page when it catches all of them."""
    with ThreadPoolExecutor(runs.AT_A_TIME) as pool:
        untouched = pool.submit(runs.run_demo)
        mutated = pool.map(lambda mutation: runs.run(mutation, everything=True), MUTATIONS)
        parts = pool.map(lambda shards: runs.run_demo(["--shards", shards]), SUBSETS)
        harmless = pool.map(runs.run_harmless, HARMLESS)
        measured = _Measured(untouched.result(), list(mutated), list(parts), list(harmless))
    wrong = [f"{mutation.name}: {problem}" for mutation, finished in zip(MUTATIONS, measured.mutated)
             for problem in runs.problems(mutation, finished)]
    for shards, finished in [("all", measured.untouched), *zip(SUBSETS, measured.parts)]:
        wrong += [f"shards {shards}: red: {test}" for test in finished.red()]
    for name, finished in zip(HARMLESS, measured.harmless):
        wrong += [f"{name}: red: {test}" for test in finished.red()]
    print("\n".join(wrong), file=sys.stderr)
    if not wrong:
        files.write_text(PAGE, _as_markdown(measured))
        print(f"wrote {PAGE}")
    return int(bool(wrong))


def _as_markdown(measured: _Measured) -> str:
    allowed = runs.figures(measured.untouched)
    rows = [_row(mutation, finished, allowed) for mutation, finished in zip(MUTATIONS, measured.mutated)]
    silent = [mutation.name for mutation, finished in zip(MUTATIONS, measured.mutated)
              if not any(_outside(finished, gate, allowed) for gate in (_FLOAT, _QUANTIZED))
              and _value(finished, _QUANTIZED) is not None]
    parts = [_part(shards, finished) for shards, finished in zip(SUBSETS, measured.parts)]
    return _TEXT.format(quantized=allowed[_QUANTIZED], floats=allowed[_FLOAT], rows="\n".join(rows),
                        parts="\n".join(parts), harmless=", ".join(HARMLESS),
                        silent=textwrap.fill(_SILENT.format(", ".join(silent)), 120))


def _row(mutation: Mutation, finished: Finished, allowed: Mapping[str, Mapping[str, float]]) -> str:
    cells = [mutation.name, f"{mutation.stands_for}; {mutation.injection}", _accuracy(finished, allowed),
             _jitter(finished, allowed), _red(finished)]
    return f"| {' | '.join(cells)} |"


def _accuracy(finished: Finished, allowed: Mapping[str, Mapping[str, float]]) -> str:
    quantized, floats = _value(finished, _QUANTIZED), _value(finished, _FLOAT)
    if quantized is None or floats is None:
        return "not measured"
    text = f"{quantized:.4f} ({_change(quantized, allowed[_QUANTIZED])})"
    same = floats == allowed[_FLOAT]["value"]
    return text if same else f"{text}; float {floats:.4f} ({_change(floats, allowed[_FLOAT])})"


def _change(value: float, untouched: Mapping[str, float]) -> str:
    # Adding zero takes the sign from a negative one.
    return f"{round(value - untouched['value'], 4) + 0.0:+.4f}"


def _jitter(finished: Finished, allowed: Mapping[str, Mapping[str, float]]) -> str:
    if _value(finished, _QUANTIZED) is None:
        return "-"
    found = [name for name, gate in (("float", _FLOAT), ("quantized", _QUANTIZED))
             if _outside(finished, gate, allowed)]
    return " and ".join(found) or "no"


def _value(finished: Finished, gate: str) -> Optional[float]:
    return runs.figures(finished).get(gate, {}).get("value")


def _outside(finished: Finished, gate: str, allowed: Mapping[str, Mapping[str, float]]) -> bool:
    value = _value(finished, gate)
    return value is not None and not allowed[gate]["lower"] <= value <= allowed[gate]["upper"]


def _red(finished: Finished) -> str:
    """The red tests by function: gates by their names, others by how many they are."""
    if len(finished.red()) == len(finished.outcomes):
        return f"all {len(finished.outcomes)}: could not measure"
    found: Dict[str, List[str]] = {}
    for test in finished.red():
        function, parameter = _split(test)
        found.setdefault(function, []).append(parameter)
    return "<br>".join(_grouped(function, parameters) for function, parameters in sorted(found.items()))


def _split(test: str) -> Tuple[str, str]:
    """The function, and its parameter without the label of the model."""
    match = re.fullmatch(r"(\w+)(?:\[[\w.]+-w\d+a\d+-?(.*)\])?", test)
    return (match.group(1), match.group(2) or "") if match else (test, "")


def _grouped(function: str, parameters: Sequence[str]) -> str:
    if function == "test_gate":
        return f"`{function}`: {', '.join(parameters)}"
    return f"`{function}`" + (f" x {len(parameters)}" if len(parameters) > 1 else "")


def _part(shards: str, finished: Finished) -> str:
    skipped = [_split(test)[1] for test, outcome in finished.outcomes.items() if outcome == SKIPPED]
    return f"| {shards} | {len(finished.red())} | {', '.join(skipped) or 'none'} |"


_SILENT = ("On the demo no accuracy gate can see the following, because their mAP stays within the numerical jitter: "
           "{}. The tests of placement, bit widths and encodings are there for that.")
_TEXT = """# What the gate suite catches

Written by `./run python -m tests.mutations`. Each row is a run of `pytest test_quant_accuracy` on the embedded demo
with one regression in it; the command asserts which tests are red, and that no other is.
`tests/as_user/test_mutations.py` does so in `./run test`, mostly on fewer images, for a selection that turns the same
tests red.

Untouched, the demo has a quantized mAP of {quantized[value]:.4f} and a float mAP of {floats[value]:.4f}. The numerical
jitter of the committed baseline, which rounding alone can cause, reaches from {quantized[lower]:.4f} to
{quantized[upper]:.4f}, that of the float mAP from {floats[lower]:.4f} to {floats[upper]:.4f}.

| regression | what it stands for; how it is injected | quantized mAP (change) | outside of the jitter | red tests |
|--|--|--|--|--|
{rows}

{silent}

## False alarms

Nothing is red either with these changes, on all images: {harmless}.

The untouched demo on two adjacent shards, 40 images: no test is red. On so few images some gates cannot decide, which
pytest shows as skipped.

| shards | red tests | inconclusive |
|--|--|--|
{parts}
"""


if __name__ == "__main__":
    sys.exit(main())
