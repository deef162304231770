"""What was asked for and changes nothing: settings without which the quantizers would do the same.

A setting is asked for where it differs from AIMET's default; it has an effect where quantizers that are placed without
it do something else. Rules of a configuration file are written for many networks: those on op types, and the
supergroups, are named only where all of them together change nothing.
"""

import fnmatch
from dataclasses import dataclass, replace
from typing import Any, Callable, Collection, Dict, Iterator, List, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base.errors import QuantAccuracyError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import placement
from quant_accuracy.quantization.configuration import Configuration, OpRule, ParamRule
from quant_accuracy.quantization.records import TF, Override, Quantizer, Settings

SCHEME, PARAM_BITS, OUTPUT_BITS, CALIBRATION = "quant_scheme", "default_param_bw", "default_output_bw", \
    "calibration_images"
_DEFAULT, _SETTINGS = Configuration(), Settings()
_NOT_SYMMETRIC = "no enabled quantizer is symmetric"
# What enabled quantizers do: one that is off does nothing, and an asymmetric one cannot be strict.
_Does = Dict[str, Tuple[Any, ...]]
_Change = Callable[[Settings], Settings]


@dataclass(frozen=True)
class _Asked:
    """A setting that was asked for: what it is called, the settings without it, and why it may have no effect."""

    name: str
    without: Settings
    reason: str


def without_effect(load: Callable[[], tf.GraphDef], names: GraphNames, settings: Settings,
                   options: Collection[str] = ()) -> List[str]:
    """One line for each setting that was asked for and changes nothing.

    Args:
        load: Gives the folded graph; called only where there is something to try.
        names: The graph's ops.
        settings: The settings.
        options: Keys of the options that were given on the command line, which are asked for whatever their value.
    """
    lines = list(_of_loaded(settings, options))
    asked, rules = list(_asked(settings, options)), list(_symmetric_rules(settings))
    if not asked and not rules and not settings.overrides:
        return lines
    graph = load()

    def does(tried: Settings) -> Optional[_Does]:
        """What the quantizers do; None where such settings contradict themselves."""
        try:
            placed = placement.place_quantizers(Network.of(graph, names), tried)
        except QuantAccuracyError:
            return None
        return _done_by(placed)

    now = does(settings)
    if now is None:
        # Another one has placed them, by rules that are not known here.
        return lines
    lines += [f"{item.name} changes nothing: {item.reason}" for item in asked if does(item.without) == now]
    for name, remove in rules:
        # Beside another rule that says the same, each changes nothing alone.
        alone = settings
        for other, remove_other in rules:
            alone = alone if other == name else remove_other(alone)
        if does(remove(settings)) == now and does(alone) == does(remove(alone)):
            lines.append(f"{name}: is_symmetric changes nothing: what it is about is not quantized, or other rules "
                         "overrule it")
    return [*lines, *_of_overrides(settings, now, does)]


def _done_by(quantizers: Sequence[Quantizer]) -> _Does:
    return {q.tensor: (q.bitwidth, q.symmetry if q.symmetry.symmetric else None, q.axis)
            for q in quantizers if q.enabled}


def _of_loaded(settings: Settings, options: Collection[str]) -> Iterator[str]:
    """What calibration is told where there is none."""
    if settings.encodings_file is None or settings.params_only:
        return
    reason = f"all encodings are taken from {settings.encodings_file}"
    if SCHEME in options or settings.scheme != TF:
        yield f"the scheme {settings.scheme} changes nothing: {reason}"
    if CALIBRATION in options:
        yield f"the number of calibration images changes nothing: {reason}"


def _asked(settings: Settings, options: Collection[str]) -> Iterator[_Asked]:
    found = settings.configuration

    def changed(**values: Any) -> Settings:
        return replace(settings, configuration=replace(found, **values))

    if found.strict:
        yield _Asked("strict_symmetric: True", changed(strict=False), _NOT_SYMMETRIC)
    if not found.unsigned:
        yield _Asked("unsigned_symmetric: False", changed(unsigned=True), _NOT_SYMMETRIC)
    if found.per_channel:
        yield _Asked("per_channel_quantization: True", changed(per_channel=False),
                     "no weight of a convolution or MatMul is quantized")
    if found.op_types:
        yield _Asked(f"op_type: {', '.join(found.op_types)}", changed(op_types={}),
                     "no such op is in the network, or it is quantized so anyway")
    if found.supergroups and found.supergroups != _DEFAULT.supergroups:
        yield _Asked("supergroups", changed(supergroups=()), "none of them is in the network")
    if found.model_input is False:
        yield _Asked("model_input: is_input_quantized: False", changed(model_input=True),
                     "the starting op never gets a quantizer")
    if found.model_output is not None:
        yield _Asked(f"model_output: is_output_quantized: {found.model_output}", changed(model_output=None),
                     "the last ops have no quantizers, or are so anyway")
    bits = [(PARAM_BITS, "param_bitwidth", "weight"), (OUTPUT_BITS, "output_bitwidth", "activation")]
    for option, field, what in bits:
        value = getattr(settings, field)
        if option in options or value != getattr(_SETTINGS, field):
            yield _Asked(f"{field}: {value}", replace(settings, **{field: value + 1}),
                         f"no {what} is quantized, or overrides give all of them other bits")


def _symmetric_rules(settings: Settings) -> Iterator[Tuple[str, _Change]]:
    """The general rules that ask for symmetric ranges, and what takes each of them away."""
    found = settings.configuration

    def of_configuration(change: Callable[[Configuration], Configuration]) -> _Change:
        return lambda tried: replace(tried, configuration=change(tried.configuration))

    if found.ops.symmetric:
        yield "defaults.ops", of_configuration(lambda c: replace(c, ops=_plain_op(c.ops)))
    if found.all_params.symmetric:
        yield "defaults.params", of_configuration(lambda c: replace(c, all_params=_plain_param(c.all_params)))
    for kind in [kind for kind, rule in found.params.items() if rule.symmetric]:
        yield f"params.{kind}", of_configuration(_without_kind(kind))


def _without_kind(kind: str) -> Callable[[Configuration], Configuration]:
    return lambda c: replace(c, params={**c.params, kind: _plain_param(c.params[kind])})


def _plain_op(rule: OpRule) -> OpRule:
    return replace(rule, symmetric=None)


def _plain_param(rule: ParamRule) -> ParamRule:
    return replace(rule, symmetric=None)


def _of_overrides(settings: Settings, now: _Does,
                  does: Callable[[Settings], Optional[_Does]]) -> Iterator[str]:
    """Each part of an override is left out in turn; one that changes nothing stays out, for another may repeat it."""
    kept = list(settings.overrides)
    for position, override in enumerate(settings.overrides):
        parts = {key: value for key, value in vars(override).items() if key != "tensors" and value is not None}
        if not parts:
            yield f"the override of {override.tensors!r} changes nothing: it says nothing"
        for key, value in parts.items():
            tried = [*kept[:position], replace(kept[position], **{key: None}), *kept[position + 1:]]
            if does(replace(settings, overrides=tuple(tried))) == now:
                kept = tried
                yield (f"the override of {override.tensors!r}: {key}: {value} changes nothing: "
                       f"{_idle(override, now)}")


def _idle(override: Override, now: _Does) -> str:
    on = [tensor for tensor in now if fnmatch.fnmatchcase(tensor, override.tensors)]
    return "the quantizers that it matches have it without it" if on else "the quantizers that it matches are off"
