from dataclasses import replace
from pathlib import Path

import tensorflow.compat.v1 as tf

from quant_accuracy.card_check import graph
from quant_accuracy.freezing import load
from quant_accuracy.quantization.records import FOLD, Override
from quant_accuracy.settings.card import DataPaths, ModelCard
from tests.support import batch_norms, training


def test_all_ops_that_a_graph_lacks_are_told_at_once_with_what_is_meant(demo_card: ModelCard, demo: DataPaths) -> None:
    names = replace(demo_card.graph, starting_ops=("FeatureExtractor/inptu",), output_ops=("concat", "concat_l", "cat"))

    found = graph.check(replace(demo_card, graph=names), demo.checkpoint)

    assert len(found.faults) == 3
    assert "set starting_op: FeatureExtractor/MobilenetV2/MobilenetV2/input" in found.faults[0]
    assert all("set output_ops: [concat, concat_1]" in fault for fault in found.faults[1:])


def test_without_an_end_of_the_graph_near_names_are_told(demo_card: ModelCard, demo: DataPaths) -> None:
    detections = ("detection_boxs", "detection_scores", "detection_klasses", "num_detections")
    names = replace(demo_card.graph, detections=detections, output_ops=("concat_11",))

    found = graph.check(replace(demo_card, graph=names), demo.checkpoint)

    assert [fault.split("'")[1] for fault in found.faults] == ["detection_boxs", "detection_klasses", "concat_11"]
    assert all("did you mean" in fault for fault in found.faults)


def test_input_size_and_every_override_without_a_match_are_told_at_once(demo_card: ModelCard, demo: DataPaths) -> None:
    overrides = (Override("concat:0", 16, None, None), Override("nothing*", 4, None, None),
                 Override("concat_9:0", None, None, False))
    settings = replace(demo_card.quantization, overrides=overrides)

    found = graph.check(replace(demo_card, height=320, quantization=settings), demo.checkpoint)

    assert len(found.faults) == 3
    assert all(name in fault for name, fault in zip(("300x300", "'nothing*'", "'concat_9:0'"), found.faults))


def test_checks_that_will_fail_are_notes(demo_card: ModelCard, demo: DataPaths) -> None:
    found = graph.check(replace(demo_card, assumptions=replace(demo_card.assumptions, biases=True)), demo.checkpoint)

    assert found.faults == []
    (note,) = found.notes
    assert note.startswith("the check biases will fail: biases without a quantizer")
    assert found.summary.endswith("163 quantizers")


def test_that_batch_norms_are_left_is_a_note_unless_the_card_folds_them(tmp_path: Path, demo_card: ModelCard,
                                                                         demo: DataPaths) -> None:
    meta = tf.MetaGraphDef.FromString(Path(f"{demo.checkpoint}.meta").read_bytes())
    count = batch_norms.spell_out(meta.graph_def)
    (tmp_path / "model.ckpt.meta").write_bytes(meta.SerializeToString())
    for path in demo.checkpoint.parent.glob("model.ckpt.[di]*"):
        (tmp_path / path.name).symlink_to(path)
    folding = replace(demo_card, quantization=replace(demo_card.quantization, spelled_out_batch_norms=FOLD))

    found, fitting = (graph.check(card, tmp_path / "model.ckpt") for card in (demo_card, folding))

    assert count > 0
    assert found.faults == fitting.faults == fitting.notes == []
    (note,) = found.notes
    assert note.startswith("the check batch_norms_folded will fail: batch norms left in the network: FeatureExtractor/")
    assert "--spelled-out-batch-norms" in note


def test_a_missing_checkpoint_is_one_fault(demo_card: ModelCard, demo: DataPaths) -> None:
    found = graph.check(demo_card, demo.checkpoint.with_name("other"))

    assert len(found.faults) == 1
    assert "other.meta: no such file" in found.faults[0]


def test_a_learning_phase_that_was_settled_is_told(tmp_path: Path, demo_card: ModelCard, demo: DataPaths) -> None:
    frozen = load.load_frozen(training.with_phase(tmp_path, "slim").prefix, ["end"])

    assert graph.settled(frozen) == ", settled to inference: phase/is_training (3 tensors)"
    assert "settled" not in graph.check(demo_card, demo.checkpoint).summary
