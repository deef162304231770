"""How two answers to a network differ."""

from dataclasses import dataclass, field
from typing import Mapping, Sequence, Tuple

from tests.support.aimet_zoo.answers import Answer


@dataclass(frozen=True)
class Delta:
    """What differs between AIMET's answer and ours.

    Attributes:
        not_folded: (op, batch norm) that only AIMET folds.
        folded: Those that are only folded here.
        biases: Op to (BiasAdd, bias) of AIMET and of ours, where both fold and these differ.
        not_placed: Quantizers, tensor to kind and state, that only AIMET has so.
        placed: Those that are only here so.
    """

    not_folded: Sequence[Tuple[str, str]] = ()
    folded: Sequence[Tuple[str, str]] = ()
    biases: Mapping[str, Sequence[Tuple[str, str]]] = field(default_factory=dict)
    not_placed: Mapping[str, str] = field(default_factory=dict)
    placed: Mapping[str, str] = field(default_factory=dict)


def between(theirs: Answer, ours: Answer) -> Delta:
    """What differs between AIMET's answer and ours."""
    shared = [op for op in theirs.biases if op in ours.biases]
    return Delta(_missing(theirs.folded, ours.folded), _missing(ours.folded, theirs.folded),
                 {op: (theirs.biases[op], ours.biases[op]) for op in shared if theirs.biases[op] != ours.biases[op]},
                 dict(_missing(list(theirs.quantizers.items()), list(ours.quantizers.items()))),
                 dict(_missing(list(ours.quantizers.items()), list(theirs.quantizers.items()))))


def _missing(of: Sequence[Tuple[str, str]], there: Sequence[Tuple[str, str]]) -> Tuple[Tuple[str, str], ...]:
    return tuple(item for item in of if item not in there)
