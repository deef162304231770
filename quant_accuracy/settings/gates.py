"""Gates and checks: their names, the limits that a model card sets, and the failures that it knows of."""

from dataclasses import dataclass
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

from quant_accuracy.base.documents import Section

EXPECTED, CLASS_DROP, ENCODINGS_DRIFT = "float_mAP", "class_AP_drop", "encodings_drift"
CLASS_BASELINES = ("float_class_AP_baseline", "class_AP_baseline")
OF_BASELINE = ("float_mAP_baseline", "mAP_baseline", *CLASS_BASELINES)
# Those that speak of the quantized variant alone, or of what it loses.
OF_QUANTIZATION = ("mAP_floor", "mAP_drop", "mAP_ratio", CLASS_DROP)
FLOAT_BASELINES = ("float_mAP_baseline", "float_class_AP_baseline")
DEVICE_FLOOR, DEVICE_DROP, AGREEMENT = OF_DEVICE = ("device_mAP_floor", "device_mAP_drop", "device_agreement")
GATES = (EXPECTED, "float_mAP_floor", "mAP_floor", "mAP_drop", "mAP_ratio", CLASS_DROP, *OF_BASELINE, *OF_DEVICE,
         ENCODINGS_DRIFT)
# The checks that take no limit; `encodings_drift` is the one that does.
CHECKS = ("batch_norms_folded", "weights_quantized", "biases", "activations_quantized", "model_inputs",
          "network_outputs", "quantizers_of_snapshot", "bitwidths", "encodings_usable", "images_once")
# How a card writes a gate that is more than a number, and a failure that is known.
LIMIT, KNOWN_FAILURE, KNOWN_FAILURES = "limit", "known_failure", "known_failures"
JITTER = "jitter"
# What it takes for the device to have a detection too, unless the card says otherwise: what applications show begins
# about there, and COCO takes boxes with this overlap for the same.
SCORE, IOU = "score", "iou"
AGREEMENT_SCORE, AGREEMENT_IOU = 0.3, 0.5


class KnownFailure(NamedTuple):
    """A gate or a check that fails, and somebody knows why.

    Attributes:
        reason: Why, and until when.
        place: Where the card says so: `gates.mAP_drop.known_failure in models/mine.yaml`.
    """

    reason: str
    place: str


@dataclass(frozen=True)
class Gate:
    """A limit on a figure.

    Attributes:
        name: One of `GATES`.
        limit: The limit; None where it follows from the numerical jitter.
        expected: What the figure should be, within the limit; None where the limit says all.
        known_failure: Why it is known to fail; None where it is not.
        score: Of `device_agreement`: detections of the simulation from this score on are asked for; None for the
            default.
        iou: Of `device_agreement`: overlap with one of the device, at least; None for the default.
    """

    name: str
    limit: Optional[float]
    expected: Optional[float] = None
    known_failure: Optional[KnownFailure] = None
    score: Optional[float] = None
    iou: Optional[float] = None


def read(section: Section) -> Tuple[Gate, ...]:
    """The gates of a model card.

    Raises:
        ConfigurationError: A gate is unknown, or its limit is wrong.
    """
    section.only(*GATES)
    return tuple(_gate(section, name) for name in section.items())


def read_known_failures(section: Section) -> Mapping[str, KnownFailure]:
    """The checks that a model card knows to fail, by name.

    Raises:
        ConfigurationError: There is no such check, or a reason is missing.
    """
    if ENCODINGS_DRIFT in section.items():
        raise section.error(ENCODINGS_DRIFT, f"has a limit, and says there that it is known to fail; write "
                            f"gates: {{{ENCODINGS_DRIFT}: {{{LIMIT}: 0.01, {KNOWN_FAILURE}: ...}}}}")
    section.only(*CHECKS)
    found: Dict[str, KnownFailure] = {}
    for name in section.items():
        found[name] = KnownFailure(_reason(section, name), f"{KNOWN_FAILURES}.{name} in {section.file(name)}")
    return found


def _gate(section: Section, name: str) -> Gate:
    if name == EXPECTED:
        form = section.section(name).only("expected", "within", KNOWN_FAILURE)
        return Gate(name, form.real("within", 0.0, 1.0), form.real("expected", 0.0, 1.0), _known(form, name))
    if isinstance(section.items()[name], dict):
        own = (SCORE, IOU) if name == AGREEMENT else ()
        form = section.section(name).only(LIMIT, *own, KNOWN_FAILURE)
        score, iou = (form.real(key, 0.01, 1.0) if key in own and key in form.items() else None for key in (SCORE, IOU))
        return Gate(name, _limit(form, LIMIT, name), None, _known(form, name), score, iou)
    return Gate(name, _limit(section, name, name))


def _limit(section: Section, key: str, gate: str) -> Optional[float]:
    if gate in OF_BASELINE and section.items().get(key) == JITTER:
        return None
    return section.real(key, -1.0, 2.0)


def _known(form: Section, gate: str) -> Optional[KnownFailure]:
    if KNOWN_FAILURE not in form.items():
        return None
    return KnownFailure(_reason(form, KNOWN_FAILURE), f"gates.{gate}.{KNOWN_FAILURE} in {form.file(KNOWN_FAILURE)}")


def _reason(section: Section, key: str) -> str:
    """A reason, in one line."""
    text = " ".join(section.text(key).split())
    if not text:
        raise section.error(key, "is empty; say why it fails, and until when")
    return text
