"""The regressions that the gate suite has to catch, and the tests that have to say so."""

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

from quant_accuracy.demo import ready
from quant_accuracy.quantization.configuration import Configuration, OpRule, ParamRule
from tests.mutations import inputs
from tests.mutations.inputs import FACTOR, LOWERED, NOISE, Arguments, configured, nothing, typed
from tests.mutations.plugin import ACTIVATION, ADDITION, BATCH_NORM, FEW_BITS

# Parts of the demo on which it has to be green, and those of them that hold each shard once.
SUBSETS = tuple(f"{first}-{first + 1}" for first in range(ready.SHARDS - 1))
DISJOINT_SUBSETS = SUBSETS[::2]
# Where the network is built shows on any images; its accuracy takes more.
_FEW, _MORE = "0-1", "0-2"


# Changes that must turn nothing red, and how they are made.
HARMLESS: Mapping[str, Arguments] = {"shards renamed": inputs.shards_renamed}


@dataclass(frozen=True)
class Mutation:
    """A regression.

    Tests are named by patterns in which `*` stands for anything. Every test that a pattern of `must` matches has to be
    red, and there has to be one; no test may be red that neither `must` nor `may` matches.

    Attributes:
        name: What is wrong, in a few words.
        stands_for: How it comes about in real life, in one line.
        injection: How it is injected, in one line.
        must: Tests that have to be red.
        says: What one of them has to say.
        may: Tests that are red as an honest consequence, perhaps not on every machine.
        arguments: What the suite is given.
        broken: What of the engine is broken, one of `plugin.BREAKS`; empty for nothing.
        status: Exit status of the suite.
        shards: On how many images it can be seen; None for all.
        only_on_page: Left to `./run python -m tests.mutations`, because others turn the same tests red.
    """

    name: str
    stands_for: str
    injection: str
    must: Tuple[str, ...]
    says: str
    may: Tuple[str, ...] = ()
    arguments: Arguments = nothing
    broken: str = ""
    status: int = 1
    shards: Optional[str] = _FEW
    only_on_page: bool = False


def _gates(*names: str) -> Tuple[str, ...]:
    return tuple(f"test_gate[*-{name}]" for name in names)


# Nothing can be changed without moving the AP of some class.
OF_CLASSES = _gates("float_class_AP_baseline", "class_AP_baseline")


def _settings_of(tensor: str) -> str:
    return f"test_bitwidth_and_symmetry[*-{tensor}]"


_PLACED = "test_quantizers_are_those_of_the_snapshot[*]"
_DRIFTED = "test_encodings_are_those_of_the_snapshot[*]"
_COVERED = "test_every_image_is_evaluated_once[*]"

MUTATIONS: Tuple[Mutation, ...] = (
    Mutation(
        f"weights at {FEW_BITS} bits", "a default that somebody changed", f"`--default-param-bw {FEW_BITS}`",
        must=(_settings_of("*weights/read:0"), _PLACED, *_gates("mAP_drop", "mAP_baseline")),
        says=f"the encoding has {FEW_BITS} bits, the card says 8",
        # Activations are observed behind the coarse weights.
        may=(_DRIFTED, *_gates("mAP_floor", "mAP_ratio", "class_AP_drop")),
        arguments=typed("--default-param-bw", str(FEW_BITS)), shards=_MORE),
    Mutation(
        f"one activation at {FEW_BITS} bits", "a rule for one layer that nobody meant",
        "the function that places quantizers gives it so many bits",
        must=(_settings_of(ACTIVATION), _PLACED), says=f"8 bits asymmetric -> {FEW_BITS} bits asymmetric",
        broken="quantizer with few bits", only_on_page=True),
    Mutation(
        f"one encoding at {FEW_BITS} bits", "an encoding that is not that of its quantizer",
        "the function that calibrates gives it so many bits",
        must=(_settings_of(ACTIVATION),), says=f"the encoding has {FEW_BITS} bits, the card says 8",
        broken="encoding with few bits"),
    Mutation(
        f"a loaded encoding at {FEW_BITS} bits", "an encodings file of another model or of other settings",
        "`--load-encodings` with the demo's own encodings, one changed: it is refused, so that nothing is measured",
        must=("*",), says=f"has {FEW_BITS} bits, its quantizer 8",
        arguments=inputs.encodings_with_few_bits, status=2),
    Mutation(
        "two encodings swapped", "an encodings file whose names were mixed up",
        "`--load-encodings` with the demo's own encodings, two of them under each other's names",
        must=(_DRIFTED, *_gates("mAP_drop", "mAP_baseline")), says="2 of 163 encodings moved by more than",
        may=_gates("mAP_floor", "mAP_ratio", "class_AP_drop"), arguments=inputs.encodings_swapped),
    Mutation(
        "encodings of another checkpoint", "an encodings file that was not made again after training went on",
        f"`--load-encodings` with those of a copy of the demo whose weights got {100 * NOISE:g} % of noise",
        must=(_DRIFTED,), says="encodings moved by more than",
        arguments=inputs.encodings_of_another_checkpoint, only_on_page=True),
    Mutation(
        "per-channel weights", "a configuration for other hardware",
        "`--quantsim-config` with `per_channel_quantization`",
        must=(_PLACED, _DRIFTED), says="8 bits asymmetric -> 8 bits asymmetric, 24 channels",
        arguments=configured(Configuration(per_channel=True)), only_on_page=True),
    Mutation(
        "biases quantized", "a configuration without the exception for biases", "`--quantsim-config` with empty params",
        must=("test_biases_are_quantized_only_where_the_card_says_so[*]", _PLACED),
        # On few images close to the edge of the numerical jitter.
        says="biases with a quantizer", may=_gates("mAP_baseline"), arguments=configured(Configuration(params={}))),
    Mutation(
        "model input quantized", "a starting op that gets a quantizer",
        "`--model` with a copy of the card that starts the network at the subtraction before it",
        must=("test_model_inputs_are_quantized_only_where_the_card_says_so[*]", _PLACED),
        says="model inputs with a quantizer", arguments=inputs.earlier_start),
    Mutation(
        "start op behind the first convolution", "a starting op that was chosen by its name",
        "`--model` with a copy of the card that starts the network there: it is refused, so that nothing is measured",
        must=("*",), says="those of FeatureExtractor/MobilenetV2/Conv/Conv2D would get no quantizer; set starting_op: "
                          "FeatureExtractor/MobilenetV2/MobilenetV2/input",
        arguments=inputs.later_start, status=2),
    Mutation(
        "a quantizer switched off", "a rule that covers more than it should",
        "the function that places quantizers switches one off",
        must=("test_activations_are_quantized_unless_a_supergroup_covers_them[*]", _PLACED),
        says=f"{ADDITION} (rule: broken)", broken="quantizer switched off"),
    Mutation(
        "a quantizer missing", "an op that the placement has never heard of",
        "the function that places quantizers leaves one out of its list",
        must=(_PLACED,), says=f"{ADDITION}: lost its quantizer", broken="quantizer missing", only_on_page=True),
    Mutation(
        "symmetric ranges", "a configuration for other hardware", "`--quantsim-config` with `is_symmetric` everywhere",
        must=(_settings_of("*:0"), _PLACED), says="is symmetric, the card says asymmetric",
        arguments=configured(Configuration(OpRule(output=True, symmetric=True), ParamRule(True, True)))),
    Mutation(
        "calibration on black images", "preprocessing that fails without an error",
        "the function that reads calibration images makes them black",
        must=(_DRIFTED, *_gates("mAP_drop", "mAP_baseline")), says="encodings moved by more than",
        may=_gates("mAP_floor", "mAP_ratio", "class_AP_drop"),
        broken="black calibration images", shards=_MORE),
    Mutation(
        "calibration on one image", "a shortcut for a quick look that stayed", "`--calibration-images 1`",
        must=(_DRIFTED, *_gates("mAP_baseline")), says="quantization.calibration_images 50 -> 1",
        # So close to their limits that the numerical jitter decides.
        may=_gates("mAP_ratio", "class_AP_drop"),
        arguments=typed("--calibration-images", "1"), shards=_MORE, only_on_page=True),
    Mutation(
        "a batch norm not folded", "a pattern that folding does not know",
        "the function that finds what to fold passes over one",
        # Its convolution keeps the weights that it was trained with, and both get a quantizer at their output.
        must=("test_batch_norms_are_folded[*]", _PLACED, _DRIFTED), says=f"{BATCH_NORM}: broken",
        broken="batch norm not folded"),
    Mutation(
        "spelled-out batch norms", "a graph of an older TensorFlow, or of layers without `fused`",
        "`--model-checkpoint` with a copy of the demo's whose batch norms are Rsqrt, Mul, Sub and Add",
        must=("test_batch_norms_are_folded[*]", _PLACED, _DRIFTED),
        says="batchnorm/mul_1: it is spelled out in plain ops", may=_gates("mAP_baseline"),
        arguments=inputs.spelled_out_checkpoint),
    Mutation(
        f"weights of a layer times {FACTOR}", "a checkpoint that was exported or converted wrongly",
        "`--model-checkpoint` with a changed copy of the demo's",
        must=(*_gates("float_mAP_baseline", "mAP_baseline"), _DRIFTED),
        says="other than in the baseline: checkpoint.", may=_gates("float_mAP_floor", "mAP_floor"),
        arguments=inputs.scaled_checkpoint, shards=_MORE),
    Mutation(
        f"the bias of a class lowered by {LOWERED:g}", "a checkpoint that was fine-tuned without one of the classes",
        "`--model-checkpoint` with a changed copy of the demo's",
        must=(*_gates("float_class_AP_baseline"), _DRIFTED), says="is not that of the baseline: hexagon",
        may=_gates("float_mAP_baseline", "mAP_baseline"),
        arguments=inputs.lowered_class, shards=None),
    Mutation(
        "channels swapped", "an image decoder that gives BGR", "the function that decodes images swaps red and blue",
        must=(*_gates("float_mAP_baseline"), _DRIFTED), says="float mAP",
        # Beyond the numerical jitter, but not by much.
        may=_gates("mAP_baseline"), broken="channels swapped", shards=_MORE),
    Mutation(
        "x and y of boxes swapped", "another order of box corners",
        "the function that turns detections into COCO's results swaps them",
        must=_gates("float_mAP_floor", "float_mAP_baseline", "mAP_floor", "mAP_baseline"),
        says="lies outside of", may=_gates("mAP_ratio"),  # of two figures near zero
        broken="axes swapped", shards=None),
    Mutation(
        "class ids off by one", "labels that count the background, or do not",
        "the function that turns detections into COCO's results adds one",
        must=_gates("*"), says="of them shifted by +1",
        broken="next class", status=2, shards=None, only_on_page=True),
    Mutation(
        "categories shifted", "a labelling tool that numbers categories without COCO's gaps",
        "`--annotation-json-file` with the demo's categories numbered 1 to 12; no gate can judge such figures",
        must=_gates("*"), says="numbers categories differently from the model",
        arguments=inputs.categories_shifted, status=2, shards=None),
    Mutation(
        "class-agnostic NMS", "post-processing of another framework, which suppresses boxes across classes",
        "the function that takes an image's detections drops what overlaps a better one of any class",
        must=_gates("float_mAP_floor", "float_mAP_baseline", "mAP_floor", "mAP_baseline"),
        # The quantized boxes overlap those of other classes more than the float ones do.
        says="lies outside of", may=_gates("mAP_drop", "mAP_ratio", "class_AP_drop"), broken="class-agnostic",
        shards=None, only_on_page=True),
    Mutation(
        "a shard twice", "a copy that lies beside the original",
        "`--dataset-dir` with a folder that holds the last shard under two names; no gate can judge such figures",
        must=(_COVERED, *_gates("*")), says="20 images evaluated more than once",
        arguments=inputs.shard_twice, status=2, shards=None),
    Mutation(
        "a shard missing", "a copy that ended early",
        "`--dataset-dir` with a folder that lacks the last shard, under names that do not tell",
        must=(_COVERED,), says="20 images not evaluated",
        # The figures of the other images are other figures.
        may=_gates("float_mAP_baseline", "mAP_baseline"), arguments=inputs.shard_missing, shards=None),
)
