"""AIMET's quantizer configuration: the JSON file of six sections, and its default.

A configuration says in six steps, each of which overrules those before it, which tensors are quantized and which ranges
are symmetric: `defaults`, `params`, `op_type`, `supergroups`, `model_input`, `model_output`. Some settings that AIMET
1.19.1 rejects are accepted, because the built-in simulator can do what they say: outputs off by default, inputs on or
off anywhere, and weights quantized per channel.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.documents import Section, read_json
from quant_accuracy.base.errors import ConfigurationError, first_line, shown
from quant_accuracy.base.near import near

WEIGHT, BIAS = "weight", "bias"

# The names of op types in configuration files, and the types of AIMET's connected graph that bear them.
OP_TYPES: Mapping[str, Tuple[str, ...]] = {
    "Conv": ("Conv2D", "DepthwiseConv2dNative"),
    "BatchNormalization": ("FusedBatchNormV3", "BatchNorm"),
    "MaxPool": ("MaxPool",),
    "AveragePool": ("AvgPool",),
    "Relu": ("Relu",),
    "Clip": ("Relu6",),
    "Gemm": ("Dense",),
    "Add": ("Add", "AddV2"),
    "Concat": ("ConcatV2",),
    "Mul": ("Mul",),
    "Div": ("RealDiv",),
    "Dropout": ("Dropout",),
    "Mean": ("Mean",),
    "Flatten": ("Flatten",),
    "Pad": ("Pad",),
    "Squeeze": ("Squeeze",),
    "Identity": ("Identity",),
}
_DOCUMENT = "the quantizer configuration"


@dataclass(frozen=True)
class ParamRule:
    """What a configuration says of params; None where it says nothing.

    Attributes:
        quantized: Whether they are quantized.
        symmetric: Whether their ranges are symmetric.
    """

    quantized: Optional[bool] = None
    symmetric: Optional[bool] = None


@dataclass(frozen=True)
class OpRule:
    """What a configuration says of ops; None where it says nothing.

    Attributes:
        input: Whether the tensors that they take are quantized.
        output: Whether the tensor that they give is quantized.
        symmetric: Whether the ranges of both are symmetric.
        params: Of their params, by kind (`weight`, `bias`).
    """

    input: Optional[bool] = None
    output: Optional[bool] = None
    symmetric: Optional[bool] = None
    params: Mapping[str, ParamRule] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """A quantizer configuration; the default is AIMET's own `default_config.json`.

    Attributes:
        ops: Of all ops.
        all_params: Of all params.
        strict: Symmetric ranges have as many steps below zero as above.
        unsigned: A symmetric quantizer whose tensor has no negative values keeps its one-sided range.
        per_channel: Weights have an encoding for each output channel.
        params: Of params by kind (`weight`, `bias`).
        op_types: Of ops by type.
        supergroups: Sequences of op types that the hardware runs as one: only the last one's output is quantized.
        model_input: Whether the network's inputs are quantized.
        model_output: Whether the network's outputs are quantized.
    """

    ops: OpRule = OpRule(output=True)
    all_params: ParamRule = ParamRule(quantized=True)
    strict: bool = False
    unsigned: bool = True
    per_channel: bool = False
    params: Mapping[str, ParamRule] = field(default_factory=lambda: {BIAS: ParamRule(quantized=False)})
    op_types: Mapping[str, OpRule] = field(default_factory=dict)
    supergroups: Tuple[Tuple[str, ...], ...] = (("Conv", "Relu"), ("Conv", "Clip"), ("Add", "Relu"), ("Gemm", "Relu"))
    model_input: Optional[bool] = True
    model_output: Optional[bool] = None


def load(path: Path) -> Configuration:
    """Read a configuration file.

    Raises:
        ConfigurationError: The file is missing, is not JSON, or says something unknown or contradictory.
    """
    try:
        document = read_json(path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); correct --quantsim-config, or config in "
                                 "the model card") from error
    except ValueError as error:
        raise ConfigurationError(f"{path}: not readable as JSON ({first_line(error)}); repair it there, or give one of "
                                 "AIMET's configuration files") from error
    return _read(Section(str(path), "", document, _DOCUMENT))


def write(path: Path, configuration: Configuration) -> None:
    """Write a configuration as AIMET takes it."""
    defaults = {"ops": _op_document(configuration.ops), "params": _param_document(configuration.all_params),
                **_flags(strict_symmetric=configuration.strict, unsigned_symmetric=configuration.unsigned,
                         per_channel_quantization=configuration.per_channel)}
    document = {
        "defaults": defaults,
        "params": {kind: _param_document(rule) for kind, rule in configuration.params.items()},
        "op_type": {name: _op_document(rule) for name, rule in configuration.op_types.items()},
        "supergroups": [{"op_list": list(group)} for group in configuration.supergroups],
        "model_input": _flags(is_input_quantized=configuration.model_input),
        "model_output": _flags(is_output_quantized=configuration.model_output),
    }
    files.write_json(path, document)


def _op_document(rule: OpRule) -> Dict[str, Any]:
    params = {kind: _param_document(param) for kind, param in rule.params.items()}
    return {**_flags(is_input_quantized=rule.input, is_output_quantized=rule.output, is_symmetric=rule.symmetric),
            **({"params": params} if params else {})}


def _param_document(rule: ParamRule) -> Dict[str, str]:
    return _flags(is_quantized=rule.quantized, is_symmetric=rule.symmetric)


def _flags(**values: Optional[bool]) -> Dict[str, str]:
    return {key: str(value) for key, value in values.items() if value is not None}


def _read(document: Section) -> Configuration:
    sections = ("defaults", "params", "op_type", "supergroups", "model_input", "model_output")
    document.only(*sections)
    for name in sections:
        document.get(name)
    defaults = document.section("defaults").only("ops", "params", "strict_symmetric", "unsigned_symmetric",
                                                 "per_channel_quantization")
    return Configuration(
        ops=_op_rule(defaults.section("ops").only("is_input_quantized", "is_output_quantized", "is_symmetric")),
        all_params=_param_rule(defaults.section("params")),
        strict=bool(defaults.flag("strict_symmetric")),
        unsigned=defaults.flag("unsigned_symmetric") is not False,
        per_channel=bool(defaults.flag("per_channel_quantization")),
        params=_params(document.section("params")),
        op_types=_op_types(document.section("op_type")),
        supergroups=_supergroups(document),
        model_input=document.section("model_input").only("is_input_quantized").flag("is_input_quantized"),
        model_output=document.section("model_output").only("is_output_quantized").flag("is_output_quantized"),
    )


def _op_rule(section: Section) -> OpRule:
    params = _params(section.section("params"))
    return OpRule(section.flag("is_input_quantized"), section.flag("is_output_quantized"),
                  section.flag("is_symmetric"), params)


def _op_types(section: Section) -> Dict[str, OpRule]:
    section.only(*OP_TYPES)
    return {name: _op_rule(rule.only("is_input_quantized", "is_output_quantized", "is_symmetric", "params"))
            for name, rule in section.sections().items()}


def _params(section: Section) -> Dict[str, ParamRule]:
    section.only(WEIGHT, BIAS)
    return {kind: _param_rule(rule) for kind, rule in section.sections().items()}


def _param_rule(section: Section) -> ParamRule:
    section.only("is_quantized", "is_symmetric")
    return ParamRule(section.flag("is_quantized"), section.flag("is_symmetric"))


def _supergroups(document: Section) -> Tuple[Tuple[str, ...], ...]:
    groups = document.get("supergroups")
    if not isinstance(groups, list):
        raise document.error("supergroups", f"is {shown(groups)}; give a list of op lists")
    return tuple(_supergroup(document, number, group) for number, group in enumerate(groups))


def _supergroup(document: Section, number: int, group: Any) -> Tuple[str, ...]:
    section = document.within(f"supergroups[{number}]", group).only("op_list")
    types = section.names("op_list", at_least=2)
    for name in types:
        if name not in OP_TYPES:
            meant = near(name, OP_TYPES)
            hint = f"did you mean {meant[0]!r}? Else remove the group" if meant else \
                f"remove the group; known here: {', '.join(OP_TYPES)}"
            raise section.error("op_list", f"names the unknown op type {shown(name)}; {hint}")
    return tuple(types)
