"""How far the verdicts can be trusted: `./run python -m benchmarks.uncertainty` writes the page on it (an hour)."""

import itertools
from dataclasses import replace
from typing import Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from benchmarks import interval_coverage, share_coverage
from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.demo import ready
from quant_accuracy.judging import jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, PASS
from quant_accuracy.pipeline import variations
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.settings import options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.request import Request
from quant_accuracy.settings.values import Values

_PAGE = ROOT / "docs" / "uncertainty.md"
_OUTCOMES = (PASS, INCONCLUSIVE, FAIL)
# Scales of the network's input beside those of the jitter, in steps of 1e-6: runs that differ by rounding only.
_REPEATS = tuple(sign * step for step in range(5, 17) for sign in (1, -1))


def outcomes(request: Request, cache: Cache, parts: Sequence[Sequence[int]]) -> Dict[str, Dict[str, int]]:
    """What the accuracy gates say of parts of the shards: how many of each outcome, by gate."""
    found: Dict[str, Dict[str, int]] = {}
    for part in parts:
        of_part = evaluate(replace(request, selection=",".join(map(str, part))), cache)
        for verdict in of_part.verdicts:
            if verdict.gate in {gate.name for gate in request.card.gates}:
                found.setdefault(verdict.gate, dict.fromkeys(_OUTCOMES, 0))[verdict.outcome] += 1
    return found


class Repeats(NamedTuple):
    """How often unchanged runs would be red, by way of judging.

    Attributes:
        mean: The share of red runs, over all parts of the shards.
        worst: The largest share of one part.
    """

    mean: float
    worst: float


def red_repeats(known: Jitter, repeats: Sequence[Mapping[str, float]]) -> Dict[str, Repeats]:
    """Judge runs that differ by rounding only on every combination of shards.

    Args:
        known: The jitter of the baseline.
        repeats: The quantized mAP of each shard on its own, by digest, of independent runs.
    """
    of_shards = known.shards[jitter.QUANTIZED_MAP]
    digests = list(of_shards)
    runs = np.array([[run[digest] for digest in digests] for run in repeats])
    red: Dict[str, List[float]] = {"as the suite": [], "by the nine values of the part alone": []}
    for size in range(1, len(digests) + 1):
        for part in itertools.combinations(range(len(digests)), size):
            means = runs[:, list(part)].mean(axis=1)
            alone = np.mean([of_shards[digests[index]] for index in part], axis=0)
            ranges = (known.of_shards(jitter.QUANTIZED_MAP, [digests[index] for index in part]),
                      jitter.of_values(tuple(alone.tolist())))
            for shares, (centre, tolerance) in zip(red.values(), ranges):
                shares.append(float(np.mean(np.abs(means - centre) > tolerance)))
    return {name: Repeats(float(np.mean(shares)), max(shares)) for name, shares in red.items()}


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
    return {name: _mean_aps(evaluate(changed, cache)) for name, changed in changes.items()}


def _with_meaning(values: Sequence[str], cache: Cache) -> Tuple[float, float]:
    typed = dict(zip(values[::2], values[1::2]))
    known = {option.flag: option for option in options.OPTIONS}
    read = {known[flag].key: known[flag].convert(text) for flag, text in typed.items()}
    (request,), _ = requests.resolve(Values({**read, "cache_dir": cache.root}), ready.data_paths)
    return _mean_aps(evaluate(request, cache))


def as_markdown(request: Request, cache: Cache) -> str:
    """The page."""
    prepared = prepare(request, cache)
    moves = variations.measure_jitter(prepared)
    repeats = variations.quantized_shard_maps(prepared, [1.0 + step * 1e-6 for step in _REPEATS])
    shards = range(ready.SHARDS)
    return _TEXT.format(
        jitter=_jitter_table(moves),
        least=jitter.LEAST,
        singles=_outcome_table(outcomes(request, cache, [[shard] for shard in shards])),
        pairs=_outcome_table(outcomes(request, cache, list(itertools.combinations(shards, 2)))),
        coverage=interval_coverage.as_markdown(interval_coverage.measure()),
        shares=share_coverage.section(),
        repeats=_repeats_table(red_repeats(moves, repeats)),
        runs=len(repeats),
        harmless=_moves_table(_without_meaning(request, cache), moves),
        settings=_moves_table({" ".join(typed): _with_meaning(typed, cache) for typed in (
            ("--default-output-bw", "16"), ("--quant-scheme", "tf_enhanced"), ("--default-param-bw", "4"))}, moves))


def _repeats_table(found: Mapping[str, Repeats]) -> str:
    lines = ["| judged | red, mean of all 1023 parts | red, worst part |", "|--|--|--|"]
    lines += [f"| {name} | {100 * red.mean:.2f} % | {100 * red.worst:.1f} % |" for name, red in found.items()]
    return "\n".join(lines)


def _jitter_table(moves: jitter.Jitter) -> str:
    lines = ["| input x | float mAP | quantized mAP | drop |", "|--|--|--|--|"]
    for index, scale in enumerate(jitter.SCALES):
        lines.append(f"| {scale:.6f} | " + " | ".join(f"{moves.figures[name][index]:.5f}"
                                                      for name in jitter.FIGURES) + " |")
    ranges = [jitter.of_values(moves.figures[name]) for name in jitter.FIGURES]
    lines.append("| mean | " + " | ".join(f"{found.centre:.5f}" for found in ranges) + " |")
    lines.append("| 99 % lie within | " + " | ".join(f"{found.tolerance:.5f}" for found in ranges) + " |")
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


def _outcome_table(found: Mapping[str, Mapping[str, int]]) -> str:
    lines = [f"| gate | {' | '.join(_OUTCOMES)} |", "|--|" + "--|" * len(_OUTCOMES)]
    for gate, counts in found.items():
        lines.append(f"| {gate} | {' | '.join(str(counts[kind]) for kind in _OUTCOMES)} |")
    return "\n".join(lines)


_TEXT = """# How far the verdicts can be trusted

Written by `./run python -m benchmarks.uncertainty`.

Two things move a figure that nobody meant to move: which images were evaluated, and float32 arithmetic.

## Which images: intervals

When all images of the data set are evaluated, a gate compares the figure with its limit. On a part of them it judges a
95 % interval for the figure of the whole data set: it passes when the whole interval is allowed, fails when none of it
is, and is *inconclusive* otherwise. Intervals come from a *paired bootstrap* over images (Efron 1979): images are drawn
with replacement 1000 times, float and quantized are scored on the same draws. Every image drawn once gives pycocotools'
figure to 1e-12, and draws with repetitions agree with pycocotools on data sets that really hold the images several
times to 1e-9 (`tests/scoring/test_bootstrap.py`).

On data like COCO's, with many classes most of which are rare, percentiles of the draws are not honest intervals. What
is done about it (`quant_accuracy/scoring/partial.py`):

- **Classes that no evaluated image shows** are in the mean of the whole data set. The annotations say which they are,
  and in each draw their APs are taken from five evaluated classes that are about as rare. Where they are more than the
  others, no interval is given. The message names their number.
- **Classes in few images** vary less in draws than in truth; deviations are scaled by the root of k / (k - 1).
- **A drop** comes out a little too small on few images, so the lenient end keeps up to four fifths of its tail.
- **A single mAP** comes out too large on few images, by more than can be known from them. Three times what draws add
  to it again is taken off. At the lower end classes in few images count as 0: that a mAP is too low can be told on a
  part, that it is high enough only where every class stands in enough images.
- **A ratio** is judged as a drop over the float mAP, with the absent classes as 0 in it at the cautious end.
- The share of the images that was evaluated is known and not left to chance (finite population correction).

**A single class** (`class_AP_drop`) is judged by Student's t over the images that show it, with Bonferroni's confidence
for all classes at once. Fewer than n = 1 + log2(1 / (1 - confidence)) images cannot support such a confidence, whatever
the rule: with the probability 2^(1 - n) all of them lie on the same side of the median. That makes 12 images for 80
classes, 9 for 12. A class in fewer images is inconclusive and says in how many it stands, on the whole data set as
well: there a class fails only where its interval lies beyond the limit, and passes where its drop is within the limit
by more than its numerical jitter.

{shares}

### Do intervals cover the truth?

Data sets of 5000 images are made up (`benchmarks/population.py`): 80 classes, the most frequent in half of the images,
the rarest in about 20 of 5000, two classes an image, topics, crowded images, false alarms. Parts are drawn from them,
and the truth is the figure of all 5000. "Above" and "below" say on which side of the truth the other intervals lie;
"mAP drop, percentiles" is what the draws alone would give. Target: 92 to 98 % of the intervals that yield a verdict
cover it; those of a single mAP and of a ratio are bounds where classes are rare, and cover more.

{coverage}

The second table holds the drops of single classes from all these trials; its joint intervals are those that the gate
judges by. The third counts pass / inconclusive / fail of a healthy quantized model, whose drop is its own noise.
Target: no fail.

### False alarms on the demo

The whole demo meets every one of these limits by a clear margin. Target: no *fail*. All ten single shards:

{singles}

All 45 pairs of shards:

{pairs}

### The baseline on a part of the shards

The baseline knows the mAP of each shard on its own, by the shard's content, so the mean over the selected shards is
compared with the mean over the same shards. The images are the same, nothing is left to chance, and no interval is
needed. How far such a mean moves by rounding alone is estimated from the nine values of each shard, which are few: some
of the 1023 combinations of ten shards look far quieter than they are. So every shard counts with the largest variance
of any, and a combination with at least what it shows itself. {runs} independent runs of the demo, which differ
from the nine by rounding only, are red so often (target: 1 % at most):

{repeats}

## Float32: numerical jitter

A rounding that falls the other way moves an activation by a whole step, and dozens of layers multiply it. So a
quantized network's mAP differs a little between machines and versions, for no reason that anybody could act on. How
much is measured by evaluating both variants with the network's input scaled by 1 + k * 1e-6
(`./run python tools/jitter.py`, or `--jitter` in the suite and the report):

{jitter}

**The tolerance of `mAP_baseline` and `float_mAP_baseline` follows from that**, and those of `class_AP_baseline` and
`float_class_AP_baseline` from the nine APs of each class (all classes together at 99 %, none tighter than one box that
crosses one IoU threshold), unless the model card gives a number:
the figure has to lie within `m +- t * s * sqrt(1 + 1/9)`, where `m` and `s` are mean and standard deviation of the nine
values in the baseline and `t` = 3.355 is Student's t for 99 % and 8 degrees of freedom: the interval in which one more
value of the same kind lies in 99 of 100 cases (Hahn and Meeker, Statistical Intervals, 1991). It is never taken
smaller than {least}.

### What should not matter stays inside it

{harmless}

One thread or all cores, one process or several workers of xdist, cold or warm cache: the same to the last bit
(`tests/as_user/test_parallel.py` compares every number of a run).

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
