"""Links from verdicts to the parts of the page that prove them, and back."""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from quant_accuracy.base.words import DEVICE
from quant_accuracy.judging.checks import DRIFT_LIMIT
from quant_accuracy.judging.verdicts import GATE, PASS
from quant_accuracy.reporting.document.read_report import DEPTH_KEY
from quant_accuracy.reporting.page.tables import Link
from quant_accuracy.settings.gates import CHECKS, CLASS_BASELINES, CLASS_DROP, ENCODINGS_DRIFT, OF_BASELINE, OF_DEVICE

# The parts of the page that prove something, as their headings have it.
HEADINGS = {"figures": "figures", "classes": "classes", "errors": "kinds of error", "confusion": "confusion",
            "culprits": "which quantizers", "lies": "where the drop lies", "images": "images", DEVICE: "device",
            "depth": "op by op", "device-images": "images on the device", "history": "history",
            "quantizers": "quantizers", "changed": "quantizers that changed", "snapshot": "diff of the snapshot",
            "batch-norms": "batch norms", "run": "run"}
_LOSS = ("culprits", "lies", "images")
_BATCH_NORMS, _SNAPSHOT, _COVERAGE = CHECKS[0], CHECKS[6], CHECKS[-1]
# Of the quantizers that a verdict names, so many are linked one by one.
_ROWS = 5


class Evidence(NamedTuple):
    """Links both ways.

    Attributes:
        of_verdict: What proves each verdict that did not pass, in the order of the document's; nothing for the others.
        of_section: The verdicts that a part of the page proves, by its anchor.
        of_quantizer: The verdicts that name a quantizer, by tensor.
    """

    of_verdict: Sequence[Sequence[Link]]
    of_section: Mapping[str, Sequence[Link]]
    of_quantizer: Mapping[str, Sequence[Link]]


def anchor(number: int) -> str:
    """Where the verdict with this number in the document stands on the page."""
    return f"verdict-{number}"


def quantizer_anchor(place: int) -> str:
    """Where the quantizer with this place in the network, from 1, stands on the page."""
    return f"quantizer-{place}"


def image_anchor(image_id: int, section: str = "images") -> str:
    """Where an image stands on the page."""
    return f"{section[:-1]}-{image_id}"


def find(document: Mapping[str, Any]) -> Evidence:
    """What proves the verdicts of a report that did not pass."""
    there = _sections(document)
    places = {item["tensor"]: place for place, item in enumerate(document["quantizers"], start=1)}
    of_verdict: List[List[Link]] = []
    of_section: Dict[str, List[Link]] = {}
    of_quantizer: Dict[str, List[Link]] = {}
    for number, verdict in enumerate(document["verdicts"]):
        if verdict["outcome"] == PASS:
            of_verdict.append([])
            continue
        back = Link(f"{verdict['gate']} ({verdict['outcome']})", anchor(number))
        sections = [name for name in _proving(verdict) if name in there]
        named = _named(verdict["message"], places) if {"quantizers", "changed"} & {*sections} else []
        rows = [places[tensor] for tensor in named[:_ROWS]]
        of_verdict.append([*(Link(HEADINGS[name], name) for name in sections),
                           *(Link(f"#{place}", quantizer_anchor(place)) for place in rows)])
        for name in sections:
            of_section.setdefault(name, []).append(back)
        for tensor in named:
            of_quantizer.setdefault(tensor, []).append(back)
    return Evidence(of_verdict, of_section, of_quantizer)


def snapshot(document: Mapping[str, Any]) -> List[Link]:
    """What differs from the committed snapshot, line by line, with a link to the quantizer where there still is one."""
    places = {item["tensor"]: place for place, item in enumerate(document["quantizers"], start=1)}
    lines = [] if document["snapshot"] is None else document["snapshot"]["differences"]
    named = [_named(f"\n{line}", places) for line in lines]
    return [Link(line, quantizer_anchor(places[found[0]]) if found else "") for line, found in zip(lines, named)]


def changed(document: Mapping[str, Any]) -> Sequence[str]:
    """The tensors whose quantizers are others than in the snapshot, or have moved farther than is allowed."""
    if document["snapshot"] is None:
        return []
    places = {item["tensor"]: place for place, item in enumerate(document["quantizers"], start=1)}
    limits = [verdict["upper"] for verdict in document["verdicts"] if verdict["gate"] == ENCODINGS_DRIFT]
    limit = next((limit for limit in limits if limit is not None), DRIFT_LIMIT)
    others = [name for line in document["snapshot"]["differences"] for name in _named(f"\n{line}", places)]
    return list(dict.fromkeys([*others, *(item["tensor"] for item in document["snapshot"]["moved"]
                                          if item["change"] > limit)]))


def _sections(document: Mapping[str, Any]) -> Sequence[str]:
    """The parts of the page that there are."""
    why, device = document["why"], document[DEVICE]
    known = {"figures": True, "classes": document["metrics"]["float"]["per_class"], "errors": True, "confusion": True,
             "culprits": why is not None and why["bisection"], "lies": why, "images": document["changed_images"],
             DEVICE: device, "depth": document[DEPTH_KEY],
             "device-images": device is not None and device["changed_images"], "history": document["history"],
             "quantizers": True, "changed": document["snapshot"],
             "snapshot": document["snapshot"] is not None and document["snapshot"]["differences"],
             "batch-norms": document["batch_norms_left"], "run": True}
    return [name for name, there in known.items() if there]


def _proving(verdict: Mapping[str, Any]) -> Sequence[str]:
    """The parts of a page that prove a verdict, the nearest first."""
    name = verdict["gate"]
    if verdict["kind"] == GATE:
        if name in OF_DEVICE:
            return (DEVICE, "depth", "device-images")
        if name == CLASS_DROP or name in CLASS_BASELINES:
            return ("classes", "confusion", *_LOSS, *(["history"] if name in OF_BASELINE else []))
        return ("figures", *([] if name.startswith("float") else _LOSS), *(["history"] if name in OF_BASELINE else []))
    proofs = {_BATCH_NORMS: ("batch-norms",), _SNAPSHOT: ("snapshot", "changed"),
              ENCODINGS_DRIFT: ("changed", "snapshot"), _COVERAGE: ("run",)}
    return proofs.get(name, ("quantizers",))


def _named(message: str, tensors: Mapping[str, int]) -> List[str]:
    """The tensors that the lines below a message begin with, as they come."""
    found: List[str] = []
    for line in message.split("\n")[1:]:
        words = line.split()
        # A line of a diff begins with its sign.
        for word in words[1:2] if words and words[0] in ("+", "-", "~") else words[:1]:
            found += [name for name in (word, word.rstrip(":")) if name in tensors][:1]
    return list(dict.fromkeys(found))
