"""What a model card says of single quantizers, whoever placed them."""

import fnmatch
from dataclasses import replace
from typing import List, Sequence

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.near import near
from quant_accuracy.quantization.records import OVERRIDE, Override, Quantizer, Symmetry


def apply(quantizers: Sequence[Quantizer], overrides: Sequence[Override]) -> List[Quantizer]:
    """The quantizers with the overrides, each overruling those before it.

    Raises:
        ConfigurationError: An override matches nothing.
    """
    changed = list(quantizers)
    for override in overrides:
        matches = [fnmatch.fnmatchcase(quantizer.tensor, override.tensors) for quantizer in changed]
        if not any(matches):
            meant = near(override.tensors, [q.tensor for q in changed], 3)
            raise ConfigurationError(f"the override of {override.tensors!r} matches no quantizer; correct the model "
                                     "card" + (f" (did you mean {' or '.join(meant)}?)" if meant else ""))
        changed = [_with(quantizer, override) if match else quantizer for quantizer, match in zip(changed, matches)]
    return changed


def check_symmetry(quantizers: Sequence[Quantizer]) -> None:
    """Refuse the one combination that no grid has.

    Raises:
        ConfigurationError: An enabled quantizer is symmetric, strict and unsigned; AIMET's library ends the process.
    """
    for quantizer in quantizers:
        if quantizer.enabled and quantizer.symmetry == Symmetry(symmetric=True, strict=True, unsigned=True):
            raise ConfigurationError(f"{quantizer.tensor} would be symmetric, strict and unsigned at once, which AIMET "
                                     "stops on; set strict_symmetric or unsigned_symmetric to false")


def _with(quantizer: Quantizer, override: Override) -> Quantizer:
    symmetric = quantizer.symmetry.symmetric if override.symmetric is None else override.symmetric
    return replace(quantizer, bitwidth=override.bitwidth or quantizer.bitwidth,
                   symmetry=replace(quantizer.symmetry, symmetric=symmetric),
                   enabled=quantizer.enabled if override.enabled is None else override.enabled,
                   rule=OVERRIDE + override.tensors)
