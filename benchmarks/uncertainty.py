"""How far the verdicts can be trusted: `./run python -m benchmarks.uncertainty` writes the page on it (minutes)."""

import itertools
from dataclasses import replace
from typing import Dict, List, Mapping, Sequence, Tuple

from benchmarks import coverage
from demo import ready
from quant_accuracy import evaluation, files, options
from quant_accuracy import request as requests
from quant_accuracy.artifacts import FLOAT, QUANTIZED
from quant_accuracy.cache import Cache
from quant_accuracy.card import CLASS_DROP
from quant_accuracy.evaluation import Evaluation
from quant_accuracy.judging import gates, jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS
from quant_accuracy.options import Values
from quant_accuracy.request import Request

_PAGE = options.ROOT / "docs" / "uncertainty.md"
_OUTCOMES = (PASS, INCONCLUSIVE, FAIL)
_PAIRED = ("mAP_drop", "mAP_ratio", CLASS_DROP)
Outcomes = Mapping[str, Dict[str, int]]


def on_pairs_of_shards(request: Request, cache: Cache) -> Tuple[Outcomes, Outcomes]:
    """The outcomes on every pair of shards, by gate: of float against itself, and of float against quantized."""
    shards = range(ready.SHARDS)
    same: Dict[str, Dict[str, int]] = {gate: dict.fromkeys(_OUTCOMES, 0) for gate in _PAIRED}
    both: Dict[str, Dict[str, int]] = {gate: dict.fromkeys(_OUTCOMES, 0) for gate in _PAIRED}
    for pair in itertools.combinations(shards, 2):
        found = evaluation.evaluate(replace(request, selection=f"{pair[0]},{pair[1]}"), cache)
        for verdict in found.verdicts:
            if verdict.gate in both:
                both[verdict.gate][verdict.outcome] += 1
        figures = found.figures
        assert figures.samples is not None
        alike = figures._replace(after=figures.before, samples=figures.samples._replace(after=figures.samples.before))
        for gate in request.card.gates:
            if gate.name in same:
                same[gate.name][gates.judge_one(gate, alike).outcome] += 1
    return same, both


def _mean_aps(found: Evaluation) -> Tuple[float, float]:
    before, after = (found.variants[name].metrics.figures["mAP"] for name in (FLOAT, QUANTIZED))
    assert before is not None
    assert after is not None
    return before, after


def _without_meaning(request: Request, cache: Cache) -> Mapping[str, Tuple[float, float]]:
    """The mAP of both variants under changes that should not matter, by change."""
    changes = {"as the baseline: one image at a time, all cores": request,
               "4 images at a time": replace(request, batch_size=4),
               "16 images at a time": replace(request, batch_size=16)}
    return {name: _mean_aps(evaluation.evaluate(changed, cache)) for name, changed in changes.items()}


def _with_meaning(values: Sequence[str], cache: Cache) -> Tuple[float, float]:
    typed = dict(zip(values[::2], values[1::2]))
    known = {option.flag: option for option in options.OPTIONS}
    read = {known[flag].key: known[flag].convert(text) for flag, text in typed.items()}
    (request,), _ = requests.resolve(Values({**read, "cache_dir": cache.root}), ready.data_paths)
    return _mean_aps(evaluation.evaluate(request, cache))


def as_markdown(request: Request, cache: Cache) -> str:
    """The page."""
    moves = evaluation.measure_jitter(evaluation.prepare(request, cache))
    same, both = on_pairs_of_shards(request, cache)
    covered = coverage.as_markdown(coverage.population(), [coverage.run(images=images) for images in coverage.SIZES])
    return _TEXT.format(
        jitter=_jitter_table(moves),
        least=jitter.LEAST,
        pairs=_pairs_table(same, both),
        coverage=covered,
        harmless=_moves_table(_without_meaning(request, cache), moves),
        settings=_moves_table({" ".join(typed): _with_meaning(typed, cache) for typed in (
            ("--default-output-bw", "16"), ("--quant-scheme", "tf_enhanced"), ("--default-param-bw", "4"))}, moves))


def _jitter_table(moves: jitter.Jitter) -> str:
    lines = ["| input x | float mAP | quantized mAP | drop |", "|--|--|--|--|"]
    for index, scale in enumerate(jitter.SCALES):
        lines.append(f"| {scale:.6f} | " + " | ".join(f"{moves.figures[name][index]:.5f}"
                                                      for name in jitter.FIGURES) + " |")
    for title, measure in (("mean", jitter.centre), ("99 % lie within", jitter.tolerance)):
        lines.append(f"| {title} | " + " | ".join(f"{measure(moves.figures[name]):.5f}"
                                                  for name in jitter.FIGURES) + " |")
    return "\n".join(lines)


def _moves_table(found: Mapping[str, Tuple[float, float]], moves: jitter.Jitter) -> str:
    lines = ["| | float mAP | quantized mAP | quantized, from the middle of the jitter | inside the tolerance |",
             "|--|--|--|--|--|"]
    known = moves.figures[jitter.QUANTIZED_MAP]
    for name, (before, after) in found.items():
        away = after - jitter.centre(known)
        inside = "yes" if abs(away) <= jitter.tolerance(known) else "no"
        lines.append(f"| {name} | {before:.5f} | {after:.5f} | {away:+.5f} | {inside} |")
    return "\n".join(lines)


def _pairs_table(same: Outcomes, both: Outcomes) -> str:
    lines: List[str] = [f"| gate | {' | '.join(f'float / float: {kind}' for kind in _OUTCOMES)} | "
                        f"{' | '.join(f'float / quantized: {kind}' for kind in _OUTCOMES)} |", "|--|" + "--|" * 6]
    for gate in _PAIRED:
        counts = [*(same[gate][kind] for kind in _OUTCOMES), *(both[gate][kind] for kind in _OUTCOMES)]
        lines.append(f"| {gate} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


_TEXT = """# How far the verdicts can be trusted

Written by `./run python -m benchmarks.uncertainty`.

Two things move a figure that nobody meant to move: which images were evaluated, and float32 arithmetic.

## Which images: intervals

When all images of the data set are evaluated, a gate compares the figure with its limit. On a part of them it judges
the 95 % interval of a *paired bootstrap* over images: images are drawn with replacement 1000 times, float and quantized
are scored on the same draws, and the middle 95 % of the differences is the interval. A gate passes when the whole
interval is allowed, fails when none of it is, and is *inconclusive* otherwise. Interpolated AP comes out too high on
few images; in a difference that cancels out, and intervals of a single variant's mAP (`mAP_floor`, `float_mAP`) are
corrected for it (Efron 1981). `class_AP_drop` judges all classes at once, so each class gets a wider interval
(Bonferroni: 0.05 is shared by the classes), which takes many images to settle. Every image drawn once gives
pycocotools' figure to 1e-12, and draws with repetitions agree with pycocotools on data sets that really hold the images
several times to 1e-9 (`tests/test_bootstrap.py`).

### Do intervals cover the truth?

{coverage}

Wanted: 92 to 98 % for the difference. "Above" and "below" say on which side of the truth the other intervals lie: on 40
images the difference is judged a little too leniently, and so is a single mAP on any of these numbers. "Unpaired" is
what scoring the variants on different draws would give: intervals more than three times as wide. Other methods on the
same trials were no better for the difference (basic and bias-corrected: 92.3 % at 200 images); uncorrected intervals of
a single mAP covered the truth in 88.7 % at 200 images.

### False alarms on the demo

All 45 pairs of the demo's ten shards; the whole demo meets every one of these limits by a clear margin. Wanted: no
*fail*.

{pairs}

A part of the shards is compared with the *baseline* in another way: the baseline knows the mAP of each shard on its
own, so the mean over the selected shards is compared with the mean over the same shards. The images are the same,
nothing is left to chance, and no interval is needed.

## Float32: numerical jitter

A rounding that falls the other way moves an activation by a whole step, and dozens of layers multiply it. So a
quantized network's mAP differs a little between machines and versions, for no reason that anybody could act on. How
much is measured by evaluating both variants with the network's input scaled by 1 + k * 1e-6
(`./run python tools/jitter.py`, or `--jitter` in the suite and the report):

{jitter}

**The tolerance of `mAP_baseline` and `float_mAP_baseline` follows from that**, unless the model card gives a number:
the figure has to lie within `m +- t * s * sqrt(1 + 1/9)`, where `m` and `s` are mean and standard deviation of the nine
values in the baseline and `t` = 3.355 is Student's t for 99 % and 8 degrees of freedom: the interval in which one more
value of the same kind lies in 99 of 100 cases (Hahn and Meeker, Statistical Intervals, 1991). It is never taken
smaller than {least}.

### What should not matter stays inside it

{harmless}

One thread or all cores, one process or several workers of xdist, cold or warm cache: the same to the last bit
(`tests/test_parallel.py` compares every number of a run).

### What a setting is worth, against the jitter

{settings}

A difference inside the tolerance is no difference: by their mAP the demo cannot tell the two schemes apart. What the
mAP cannot see, the tests of placement, bit widths and encodings do: see [mutations.md](mutations.md).
"""


def main() -> None:
    """Measure, and write the page."""
    (request,), cache = requests.resolve(Values({}), ready.data_paths)
    files.write_text(_PAGE, as_markdown(request, cache))
    print(_PAGE.read_text())


if __name__ == "__main__":
    main()
