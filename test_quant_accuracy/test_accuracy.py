"""The figures keep to the limits of the model card."""

from typing import TYPE_CHECKING, Callable, Mapping

from quant_accuracy.gates import PASS, Verdict

if TYPE_CHECKING:
    from quant_accuracy.evaluation import Evaluation


def test_gate(accuracy_gate: str, verdicts: Mapping[str, Verdict],
              record_property: Callable[[str, object], None]) -> None:
    verdict = verdicts[accuracy_gate]
    record_property("value", verdict.value)
    record_property("limit", verdict.limit)

    assert verdict.outcome == PASS, verdict.message


def test_every_image_of_the_selected_shards_is_evaluated_once(evaluation: "Evaluation") -> None:
    expected = sum(shard.records for shard in evaluation.shards)

    for variant in evaluation.variants.values():
        assert len(set(variant.merged.image_ids.tolist())) == variant.metrics.images == expected
