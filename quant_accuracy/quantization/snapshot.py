"""The quantizers of a network as a file that people review: where they are, what they are, and their ranges."""

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.documents import Section, require_json
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization.records import ACTIVATION, GENERATED, PARAM, Quantization, symmetry_word

# In widths of a range: as far as the last bits of another machine move it.
_NEARLY = 1e-3


@dataclass(frozen=True)
class Placed:
    """A quantizer with the ranges that it was given.

    Attributes:
        tensor: The tensor.
        kind: `param` or `activation`.
        enabled: Whether it quantizes.
        bitwidth: Number of bits.
        symmetric: Whether its range is symmetric.
        rule: The rule that decided.
        ranges: Smallest and largest value of its grid, once, or once for each channel; empty when it is disabled.
    """

    tensor: str
    kind: str
    enabled: bool
    bitwidth: int
    symmetric: bool
    rule: str
    ranges: Tuple[Tuple[float, float], ...]

    def settings(self) -> str:
        """In words, what it does: `8 bits asymmetric`, `8 bits symmetric, 64 channels`, `off`."""
        if not self.enabled:
            return "off"
        channels = {0: ", without a range", 1: ""}.get(len(self.ranges), f", {len(self.ranges)} channels")
        return f"{self.bitwidth} bits {symmetry_word(self.symmetric)}{channels}"


class Drift(NamedTuple):
    """How far an encoding has moved: the larger change of its two ends, in widths of the range that it had."""

    tensor: str
    change: float
    before: Tuple[float, float]
    after: Tuple[float, float]

    def __str__(self) -> str:
        old, new = (f"[{low:.6g}, {high:.6g}]" for low, high in (self.before, self.after))
        return f"{self.tensor}: {old} -> {new}, {100 * self.change:.3g} % of its range"


class NotCompared(NamedTuple):
    """Quantizers whose encodings cannot be compared with those of a snapshot.

    Attributes:
        others: Tensors whose quantizer is another one, or is there on one side only, which `differences` tells.
        ranges: Tensors with the same quantizer, but other than in the snapshot one range, or one for each channel, or
            none that is a number; with the reason.
    """

    others: Sequence[str]
    ranges: Mapping[str, str]


def take(quantization: Quantization) -> List[Placed]:
    """The snapshot of a network's quantizers, in the network's order."""
    return [Placed(q.tensor, q.kind, q.enabled, q.bitwidth, q.symmetry.symmetric, q.rule,
                   tuple((e.minimum, e.maximum) for e in quantization.encodings.get(q.tensor, ())) if q.enabled else ())
            for q in quantization.quantizers]


def write(path: Path, placed: Sequence[Placed]) -> None:
    """Write a snapshot, one quantizer a line."""
    files.write_text(path, "[\n" + ",\n".join(json.dumps(asdict(item)) for item in placed) + "\n]\n")


def read(path: Path, remedy: str = "repair it") -> List[Placed]:
    """Read a snapshot.

    Args:
        path: The file.
        remedy: What to do where it cannot be used.

    Raises:
        ConfigurationError: The file is missing or is not a snapshot.
    """
    document = require_json(path, remedy)
    if not isinstance(document, list):
        raise ConfigurationError(f"{path}: is not a list of quantizers; {remedy}")
    found = [_placed(Section(str(path), f"{number}.", item, f"the snapshot, or {remedy}"))
             for number, item in enumerate(document)]
    twice = [tensor for tensor, count in Counter(item.tensor for item in found).items() if count > 1]
    if twice:
        raise ConfigurationError(f"{path}: {twice[0]} appears twice; {remedy}")
    return found


def _placed(item: Section) -> Placed:
    item.only("tensor", "kind", "enabled", "bitwidth", "symmetric", "rule", "ranges")
    if item.text("kind") not in (PARAM, ACTIVATION):
        raise item.error("kind", f"is {item.text('kind')!r}; repair it: {PARAM} or {ACTIVATION}")
    ranges = item.get("ranges")
    if not isinstance(ranges, list):
        raise item.error("ranges", "is not a list; repair the snapshot")
    pairs = [item.within("ranges", {str(number): pair}).numbers(str(number), 2) for number, pair in enumerate(ranges)]
    if any(low > high for low, high in pairs):
        raise item.error("ranges", "has a range whose smallest value is above its largest; repair the snapshot")
    return Placed(item.text("tensor"), item.text("kind"), bool(item.flag("enabled")), item.number("bitwidth", 2, 32),
                  bool(item.flag("symmetric")), item.text("rule"), tuple((pair[0], pair[1]) for pair in pairs))


def differences(before: Sequence[Placed], after: Sequence[Placed]) -> List[str]:
    """One line for each quantizer that came, went or changed, with the rule that decided.

    How many ranges it has counts: one for all channels and one for each are different quantizers. Where the ranges lie
    does not count.
    """
    old, new = {item.tensor: item for item in before}, {item.tensor: item for item in after}
    lines = []
    for tensor in [*old, *(tensor for tensor in new if tensor not in old)]:
        was, now = old.get(tensor), new.get(tensor)
        if was is None and now is not None:
            lines.append(f"+ {tensor}: gained a quantizer, {now.settings()} (rule: {now.rule})")
        elif now is None and was is not None:
            lines.append(f"- {tensor}: lost its quantizer, {was.settings()} (rule: {was.rule})")
        elif was is not None and now is not None and _change(was, now):
            rules = f"rule: {now.rule}" if was.rule == now.rule else f"rule: {now.rule}; before: {was.rule}"
            lines.append(f"~ {tensor}: {_change(was, now)} ({rules})")
    return lines


def _change(before: Placed, after: Placed) -> str:
    """What of a quantizer changed, in words; empty where nothing but its ranges may have."""
    old, new = before.settings(), after.settings()
    if before.kind != after.kind:
        old, new = f"{before.kind}, {old}", f"{after.kind}, {new}"
    return "" if old == new else f"{old} -> {new}"


def drifts(before: Sequence[Placed], after: Sequence[Placed]) -> List[Drift]:
    """How far the encodings have moved, worst first; of quantizers that have the same settings in both.

    What is left out stands in `not_compared`.
    """
    old = {item.tensor: item for item in before}
    found = [_drift(old[item.tensor], item) for item in after
             if item.enabled and item.tensor in old and _same_quantizer(old[item.tensor], item)
             and _other_ranges(old[item.tensor], item) is None]
    return sorted(found, key=lambda drift: (-drift.change, drift.tensor))


def not_compared(before: Sequence[Placed], after: Sequence[Placed]) -> NotCompared:
    """Whose encodings `drifts` leaves out, of all that are quantized in either."""
    old, new = ({item.tensor: item for item in side} for side in (before, after))
    others, ranges = [], {}
    for tensor in dict.fromkeys([*old, *new]):
        was, now = old.get(tensor), new.get(tensor)
        if was is None or now is None or not _same_quantizer(was, now):
            if (was is not None and was.enabled) or (now is not None and now.enabled):
                others.append(tensor)
        elif now.enabled:
            reason = _other_ranges(was, now)
            if reason is not None:
                ranges[tensor] = reason
    return NotCompared(others, ranges)


def renumbered(before: Sequence[Placed], after: Sequence[Placed]) -> bool:
    """Whether nothing but the numbers of biases that folding makes differs.

    Then what changed on one side is the same as on the other, quantizer for quantizer and range for range, under other
    names, and the names of one side at least are such numbers.
    """
    old, new = ({item.tensor: item for item in side} for side in (before, after))
    changed = [tensor for tensor in dict.fromkeys([*old, *new])
               if tensor not in old or tensor not in new or not _alike(old[tensor], new[tensor])]
    sides = [sorted((side[tensor] for tensor in changed if tensor in side), key=_without_name) for side in (old, new)]
    return bool(changed) and len(sides[0]) == len(sides[1]) and all(map(_alike, *sides)) \
        and any(all(GENERATED.match(item.tensor) for item in side) for side in sides)


def _without_name(placed: Placed) -> Tuple[str, str, Tuple[Tuple[float, float], ...]]:
    return placed.kind, placed.settings(), placed.ranges


def _alike(before: Placed, after: Placed) -> bool:
    """Whether two quantizers do the same, whatever their tensors are called."""
    if _change(before, after):
        return False
    return not before.enabled or (_other_ranges(before, after) is None and _drift(before, after).change <= _NEARLY)


def _same_quantizer(before: Placed, after: Placed) -> bool:
    return (before.kind, before.enabled, before.bitwidth, before.symmetric) \
        == (after.kind, after.enabled, after.bitwidth, after.symmetric)


def _other_ranges(before: Placed, after: Placed) -> Optional[str]:
    """Why the ranges of one quantizer cannot be compared with those that it had; None where they can."""
    if len(before.ranges) != len(after.ranges):
        return f"{_ranges(before)} -> {_ranges(after)}"
    if not before.ranges:
        return "no range"
    if not all(math.isfinite(end) for ends in (*before.ranges, *after.ranges) for end in ends):
        return "a range that is not finite"
    return None


def _ranges(placed: Placed) -> str:
    return {0: "no range", 1: "one range"}.get(len(placed.ranges), f"{len(placed.ranges)} ranges")


def _drift(before: Placed, after: Placed) -> Drift:
    changes = [max(abs(new - old) for old, new in zip(was, now)) / max(was[1] - was[0], 1e-30)
               for was, now in zip(before.ranges, after.ranges)]
    worst = changes.index(max(changes))
    return Drift(after.tensor, changes[worst], before.ranges[worst], after.ranges[worst])
