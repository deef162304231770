"""The figures keep to the limits of the model card."""

from typing import TYPE_CHECKING, Any, Callable, Mapping

import pytest

from quant_accuracy.gates import INCONCLUSIVE, PASS, Verdict

if TYPE_CHECKING:
    from quant_accuracy.evaluation import Evaluation


def test_gate(accuracy_gate: str, verdicts: Mapping[str, Verdict], quant_options: Mapping[str, Any],
              record_property: Callable[[str, object], None]) -> None:
    verdict = verdicts[accuracy_gate]
    record_property("value", verdict.value)
    record_property("limit", verdict.limit)
    if verdict.interval is not None:
        record_property("interval", f"{verdict.interval.low} {verdict.interval.high}")
    if verdict.outcome == INCONCLUSIVE and not quant_options["strict"]:
        pytest.skip(f"inconclusive: {verdict.message}")

    assert verdict.outcome == PASS, verdict.message


def test_every_image_of_the_selected_shards_is_evaluated_once(evaluation: "Evaluation") -> None:
    expected = sum(shard.records for shard in evaluation.shards)

    for variant in evaluation.variants.values():
        assert len(set(variant.merged.image_ids.tolist())) == variant.metrics.images == expected
