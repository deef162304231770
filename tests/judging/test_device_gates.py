"""Gates on a device: what they say with and without one, and which of the two reasons they name."""

from typing import Any, Optional

import numpy as np
import pytest

from quant_accuracy.judging import device_gates, gates, jitter
from quant_accuracy.judging.jitter import Jitter
from quant_accuracy.judging.verdicts import FAIL, INCONCLUSIVE, KNOWN, PASS, DeviceFigures, Figures, Part, Verdict
from quant_accuracy.scoring.agreement import REASONS, Agreement, Rule
from quant_accuracy.scoring.intervals import Interval
from quant_accuracy.settings.gates import AGREEMENT, DEVICE_DROP, DEVICE_FLOOR, OF_DEVICE, Gate, KnownFailure
from tests.support.figures import figures_of, metrics, part_of

_MOVES = Jitter({name: (0.01, *[0.012] * 8) for name in jitter.FIGURES}, {}, {})


def _agreement(agreed: int = 95, asked: int = 100, **reasons: int) -> Agreement:
    lacking = {**dict.fromkeys(REASONS, 0), **reasons}
    return Agreement(Rule(0.3, 0.5), np.array([asked]), np.array([agreed]), {3: (asked, agreed)}, lacking,
                     np.full(agreed, 0.9), np.linspace(-0.2, 0.1, agreed))


def _figures(before: float = 0.60, simulated: float = 0.59, device: float = 0.58, part: Optional[Part] = None,
             agreement: Optional[Agreement] = None, interval: Optional[Interval] = None, missing: int = 0,
             **more: Any) -> Figures:
    found = DeviceFigures(metrics(before), metrics(simulated), metrics(device), agreement or _agreement(),
                          _agreement(90, 98), interval, part, missing)
    return figures_of(metrics(before), metrics(simulated), device=found, **more)


def _judged(name: str, limit: float, figures: Figures, *others: Gate) -> Verdict:
    return gates.judge([*others, Gate(name, limit)], figures)[-1]


@pytest.mark.parametrize(("gate", "limit", "simulated", "device", "outcome", "value"), [
    (DEVICE_FLOOR, 0.55, 0.59, 0.55, PASS, 0.55),
    (DEVICE_FLOOR, 0.55, 0.59, 0.549, FAIL, 0.549),
    (DEVICE_DROP, 0.01, 0.59, 0.585, PASS, 0.005),
    (DEVICE_DROP, 0.01, 0.59, 0.57, FAIL, 0.02),
    (DEVICE_DROP, 0.01, 0.55, 0.60, PASS, -0.05),
])
def test_a_gate_judges_the_device_by_its_limit(gate: str, limit: float, simulated: float, device: float, outcome: str,
                                               value: float) -> None:
    verdict = _judged(gate, limit, _figures(simulated=simulated, device=device))

    assert verdict.outcome == outcome
    assert verdict.value == pytest.approx(value)
    assert f"(float 0.6000, quantized {simulated:.4f}, device {device:.4f})" in verdict.message


@pytest.mark.parametrize(("limit", "outcome"), [(0.95, PASS), (0.96, FAIL)])
def test_agreement_is_judged_by_its_share(limit: float, outcome: str) -> None:
    verdict = _judged(AGREEMENT, limit, _figures(agreement=_agreement(gone=2, **{"lower score": 3})))

    assert (verdict.outcome, verdict.value) == (outcome, 0.95)
    assert "95 of 100 detections of the simulation with a score of 0.3 are the device's too" in verdict.message
    assert "mean IoU 0.900, mean score difference -0.050, largest -0.200" in verdict.message
    assert "8 of the device's 98 are not the simulation's" in verdict.message
    assert ("the device lacks 5 (lower score 3, gone 2)" in verdict.message) == (outcome == FAIL)


@pytest.mark.parametrize("name", OF_DEVICE)
def test_without_a_device_a_gate_could_not_be_judged(name: str) -> None:
    verdict = _judged(name, 0.5, figures_of(metrics(0.6), metrics(0.59)))

    assert (verdict.outcome, verdict.value) == (INCONCLUSIVE, None)
    assert "could not be judged: there is no device: give --device, --device-outputs or --device-detections" \
        in verdict.message
    assert "\n" not in verdict.message


@pytest.mark.parametrize(("simulated", "device", "cause"), [
    (0.48, 0.479, "the simulation was already low (quantized 0.4800 is below 0.5), the device loses next to nothing "
                  "against it (0.0010)"),
    (0.48, 0.49, "the simulation was already low (quantized 0.4800 is below 0.5), the device loses nothing against it"),
    (0.59, 0.49, "the device loses 0.1000 against the simulation, which is not low itself (float - quantized 0.0100)"),
    (0.48, 0.40, "both: the simulation was already low (quantized 0.4800 is below 0.5), and the device loses 0.0800 "
                 "against it"),
])
def test_a_floor_tells_whose_fault_it_is(simulated: float, device: float, cause: str) -> None:
    verdict = _judged(DEVICE_FLOOR, 0.5, _figures(simulated=simulated, device=device, jitter=_MOVES))

    assert verdict.outcome == FAIL
    assert verdict.message.endswith(f": {cause}")


def test_a_drop_tells_whether_the_simulation_was_low_too() -> None:
    figures = _figures(simulated=0.56, device=0.54)
    alone = _judged(DEVICE_DROP, 0.01, figures, Gate("mAP_drop", 0.05))
    both = _judged(DEVICE_DROP, 0.01, figures, Gate("mAP_drop", 0.02), Gate("mAP_floor", 0.57))

    assert alone.message.endswith("the device loses 0.0200 against the simulation, which is not low itself (float - "
                                  "quantized 0.0400)")
    assert both.message.endswith("both: the simulation was already low (mAP_drop 0.0400, mAP_floor 0.5600), and the "
                                 "device loses 0.0200 against it")


@pytest.mark.parametrize(("device", "outcome"), [(0.588, PASS), (0.56, FAIL), (0.579, INCONCLUSIVE)])
def test_on_a_part_the_whole_interval_of_the_drop_has_to_lie_on_one_side(device: float, outcome: str) -> None:
    part = part_of(np.full(1000, 0.59), device + np.linspace(-0.005, 0.005, 1000))

    verdict = _judged(DEVICE_DROP, 0.01, _figures(simulated=0.59, device=device, part=part))

    assert verdict.outcome == outcome
    assert verdict.interval is not None
    assert ("evaluate all shards" in verdict.message or "more shards" in verdict.message) == (outcome == INCONCLUSIVE)
    assert ("loses" in verdict.message) == (outcome == FAIL)


@pytest.mark.parametrize(("interval", "outcome"), [((0.96, 0.99), PASS), ((0.90, 0.94), FAIL),
                                                   ((0.93, 0.97), INCONCLUSIVE)])
def test_on_a_part_the_whole_interval_of_the_agreement_has_to_lie_on_one_side(interval: Any, outcome: str) -> None:
    part = part_of(np.full(10, 0.59), np.full(10, 0.58))

    verdict = _judged(AGREEMENT, 0.95, _figures(part=part, interval=Interval(*interval)))

    assert (verdict.outcome, verdict.interval) == (outcome, interval)


def test_an_image_that_the_device_has_not_run_is_what_to_do_next() -> None:
    part = part_of(np.full(1000, 0.59), 0.579 + np.linspace(-0.005, 0.005, 1000))

    verdict = _judged(DEVICE_DROP, 0.01, _figures(device=0.579, part=part, missing=140))

    assert verdict.outcome == INCONCLUSIVE
    assert verdict.message.endswith("let the device run the 140 other images that were evaluated")
    assert "all on the 10 images that the device has run" in verdict.message


def test_no_interval_is_honest_where_most_classes_are_absent() -> None:
    verdict = _judged(DEVICE_DROP, 0.01, _figures(part=part_of(np.full(10, 0.59), np.full(10, 0.58), absent=2)))

    assert (verdict.outcome, verdict.interval) == (INCONCLUSIVE, None)
    assert "no interval is honest: 2 of 3 classes have no ground truth in the images that the device has run" \
        in verdict.message


def test_with_next_to_no_accuracy_a_drop_says_nothing() -> None:
    verdict = _judged(DEVICE_DROP, 0.02, _figures(simulated=0.015, device=0.0))

    assert verdict.outcome == INCONCLUSIVE
    assert "says nothing" in verdict.message


def test_without_detections_there_is_nothing_to_agree_on() -> None:
    verdict = _judged(AGREEMENT, 0.9, _figures(agreement=_agreement(0, 0)))

    assert (verdict.outcome, verdict.value) == (INCONCLUSIVE, None)
    assert "no detection of the simulation has a score of 0.3; lower gates.device_agreement.score" in verdict.message


def test_the_jitter_of_a_drop_is_that_of_the_simulation() -> None:
    near = _judged(DEVICE_DROP, 0.01, _figures(device=0.581, jitter=_MOVES))
    far = _judged(DEVICE_DROP, 0.01, _figures(device=0.589, jitter=_MOVES))
    floor = _judged(DEVICE_FLOOR, 0.5, _figures(jitter=_MOVES))

    assert near.jitter == far.jitter == jitter.tolerance(_MOVES.figures[jitter.QUANTIZED_MAP])
    assert "may flip on another machine" in near.message
    assert "flip" not in far.message
    assert floor.jitter is None


@pytest.mark.parametrize(("device", "outcome"), [(0.50, KNOWN), (0.59, FAIL)])
def test_a_gate_may_be_known_to_fail(device: float, outcome: str) -> None:
    gate = Gate(DEVICE_DROP, 0.01, known_failure=KnownFailure("until the converter is mended, #7", "mine.yaml"))

    verdict, = gates.judge([gate], _figures(device=device))

    assert verdict.outcome == outcome
    assert "#7" in verdict.message


def test_without_a_device_a_known_failure_is_not_over() -> None:
    gate = Gate(DEVICE_DROP, 0.01, known_failure=KnownFailure("#7", "mine.yaml"))

    verdict, = gates.judge([gate], figures_of(metrics(0.6), metrics(0.59)))

    assert (verdict.outcome, verdict.known_failure) == (INCONCLUSIVE, "#7")


def test_verdicts_keep_the_order_of_the_card() -> None:
    names = [DEVICE_DROP, "mAP_drop", AGREEMENT, "mAP_floor", DEVICE_FLOOR]

    assert [verdict.gate for verdict in gates.judge([Gate(name, 0.5) for name in names], _figures())] == names


def test_every_gate_of_a_device_has_a_rule() -> None:
    found = [device_gates.judge(Gate(name, 0.5), _figures()) for name in OF_DEVICE]

    assert [verdict.gate for verdict in found] == list(OF_DEVICE)
    assert all(verdict.value is not None for verdict in found)
