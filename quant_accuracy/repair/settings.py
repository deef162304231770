"""Remedies that change settings alone: another scheme, other images, finer or symmetric grids, more bits."""

from dataclasses import replace
from typing import Collection, List, NamedTuple, Optional, Sequence

from quant_accuracy.base.words import CALIBRATION, PER_CHANNEL, SCHEME, SYMMETRIC
from quant_accuracy.quantization.configuration import WEIGHT, ParamRule
from quant_accuracy.quantization.records import PARAM, SCHEMES, Quantizer, Settings
from quant_accuracy.repair import mixed_precision
from quant_accuracy.repair.mixed_precision import ACTIVATIONS, WEIGHTS
from quant_accuracy.settings.card import ModelCard


class Setting(NamedTuple):
    """A card with other settings.

    Attributes:
        remedy: Which of the remedies it is.
        name: What is done, in words.
        card: The card.
    """

    remedy: str
    name: str
    card: ModelCard


def of_card(card: ModelCard, images: int) -> List[Setting]:
    """The cards that differ in one setting, none of which costs bits.

    Args:
        card: The card.
        images: How many images the data set has.
    """
    settings = card.quantization
    found: List[Setting] = []
    if settings.encodings_file is None:
        found += [_changed(card, SCHEME, f"scheme {scheme}", replace(settings, scheme=scheme))
                  for scheme in SCHEMES if scheme != settings.scheme]
        found += [Setting(CALIBRATION, f"{count} calibration images", replace(card, calibration_images=count))
                  for count in (2 * card.calibration_images, 4 * card.calibration_images) if count <= images]
        found += [change for change in (_per_channel(card), _symmetric(card)) if change is not None]
    return found


def more_bits(card: ModelCard, quantizers: Sequence[Quantizer], kinds: Collection[str]) -> ModelCard:
    """The card with more bits for all weights, for all activations, or for both.

    Args:
        card: The card.
        quantizers: The quantizers that it places.
        kinds: Of `mixed_precision.WEIGHTS` and `mixed_precision.ACTIVATIONS`.
    """
    settings = card.quantization
    changed = replace(
        settings,
        param_bitwidth=mixed_precision.raised(settings.param_bitwidth) if WEIGHTS in kinds else settings.param_bitwidth,
        output_bitwidth=mixed_precision.raised(settings.output_bitwidth) if ACTIVATIONS in kinds
        else settings.output_bitwidth)
    # Those that the card gives other bits than all the others keep them, unless more are said of them.
    others = [quantizer.tensor for quantizer in below(quantizers, settings)
              if quantizer.bitwidth != usual_bits(quantizer, settings)
              and (WEIGHTS if quantizer.kind == PARAM else ACTIVATIONS) in kinds]
    return with_bits(with_settings(card, changed), quantizers, others)


def usual_bits(quantizer: Quantizer, settings: Settings) -> int:
    """How many bits a quantizer has unless an override says otherwise."""
    return settings.param_bitwidth if quantizer.kind == PARAM else settings.output_bitwidth


def below(quantizers: Sequence[Quantizer], settings: Settings) -> List[Quantizer]:
    """The enabled ones with fewer bits than the usual ones have when they are raised; the others have enough."""
    return [quantizer for quantizer in quantizers if quantizer.enabled
            and quantizer.bitwidth < mixed_precision.raised(usual_bits(quantizer, settings))]


def with_bits(card: ModelCard, quantizers: Sequence[Quantizer], tensors: Sequence[str]) -> ModelCard:
    """The card with more bits for the quantizers on some tensors."""
    settings = card.quantization
    more = mixed_precision.overrides(quantizers, tensors)
    return with_settings(card, replace(settings, overrides=(*settings.overrides, *more)))


def _per_channel(card: ModelCard) -> Optional[Setting]:
    settings = card.quantization
    if settings.configuration.per_channel:
        return None
    finer = replace(settings.configuration, per_channel=True)
    return _changed(card, PER_CHANNEL, "per-channel weights", replace(settings, configuration=finer))


def _symmetric(card: ModelCard) -> Optional[Setting]:
    """Symmetric weights, which kernels of many devices are made for; seldom more accurate."""
    settings = card.quantization
    rules = settings.configuration.params
    if card.assumptions.symmetric_params or settings.configuration.all_params.symmetric:
        return None
    rule = replace(rules.get(WEIGHT, ParamRule()), symmetric=True)
    changed = replace(settings, configuration=replace(settings.configuration, params={**rules, WEIGHT: rule}))
    found = _changed(card, SYMMETRIC, "symmetric weights", changed)
    return found._replace(card=replace(found.card, assumptions=replace(found.card.assumptions, symmetric_params=True)))


def _changed(card: ModelCard, remedy: str, name: str, settings: Settings) -> Setting:
    return Setting(remedy, name, with_settings(card, settings))


def with_settings(card: ModelCard, settings: Settings) -> ModelCard:
    """The card with other settings, and with checks that expect what they say."""
    assumed = replace(card.assumptions, param_bitwidth=settings.param_bitwidth,
                      output_bitwidth=settings.output_bitwidth, overrides=settings.overrides)
    return replace(card, quantization=settings, assumptions=assumed)
