"""The session fixtures as the tests of a repository of somebody else use them."""

from pathlib import Path
from typing import Dict

import pytest

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign, suite

_ID = "ssd_mobilenet_v2_demo-w8a8"
_HERS = """
    import sys

    import pytest


    def test_chain(model, checkpoint, quantsim, quantizers, shards, annotations, detections, evaluation, verdicts):
        assert model.name == "ssd_mobilenet_v2_demo"
        assert checkpoint.folder == quantsim.float_folder
        assert len(checkpoint.graph().node) > 100
        assert quantizers is quantsim.quantizers
        assert [shard.index for shard in shards] == [2]
        assert [shard for shard, _ in detections["quantized"].parts] == list(shards)
        assert evaluation.prepared.truth is annotations
        assert verdicts["mAP_drop"] in evaluation.verdicts


    def test_small_objects(evaluation):
        assert evaluation.quantized.metrics.AP_small > 0.1


    @pytest.mark.parametrize("figure", ["AP50", "AR_large"])
    def test_parametrized(evaluation, figure):
        assert getattr(evaluation.float.metrics, figure) == evaluation.float.metrics.figures[figure]


    def test_settled(network_verdicts, settle):
        settle(network_verdicts["weights_quantized"])


    def test_jitter(jitter):
        assert jitter.tolerance("mAP drop") > 0


    def test_too_high_a_limit(evaluation):
        assert evaluation.quantized.metrics.mAP > 0.99


    def test_a_mistake_of_hers(evaluation):
        evaluation.no_such_thing


    def test_the_engine_is_imported_as_it_is(evaluation):
        assert type(sys.modules["quant_accuracy.scoring.coco"].__loader__).__name__ == "SourceFileLoader"


    def test_without_a_model():
        assert True
"""
_CONFTEST = """
    import pytest


    @pytest.fixture
    def model():
        return "hers"


    @pytest.fixture(scope="session")
    def annotations():
        return "hers too"
"""
_OVERRIDING = """
    import pytest


    def test_her_fixtures_come_first(model, annotations):
        assert (model, annotations) == ("hers", "hers too")


    @pytest.mark.parametrize("checkpoint", ["a", "b"])
    def test_her_parameters_come_first(checkpoint):
        assert checkpoint in ("a", "b")
"""


def _cards(*names: str) -> Dict[str, str]:
    return {f"models/{name}.yaml": f"base: ssd_mobilenet_v2_demo\nname: {name}\n" for name in names}


@pytest.fixture(scope="module")
def hers(demo: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> suite.Finished:
    """Her own tests and the check on placement in one run, in which two of her tests are red."""
    folder = foreign.make(tmp_path_factory.mktemp("hers"), {
        "tests/test_hers.py": _HERS, "tests/apart/conftest.py": _CONFTEST, "tests/apart/test_apart.py": _OVERRIDING})
    return foreign.run(folder, "--pyargs", "test_quant_accuracy.test_placement", "tests/", "--shards", "2")


@pytest.mark.parametrize("test", [
    f"test_chain[{_ID}]", f"test_small_objects[{_ID}]", f"test_parametrized[{_ID}-AP50]", f"test_settled[{_ID}]",
    f"test_the_engine_is_imported_as_it_is[{_ID}]", "test_without_a_model",
    "test_her_fixtures_come_first", "test_her_parameters_come_first[b]",
    f"test_weights_are_quantized[{_ID}]"])
def test_a_repository_of_somebody_else_has_the_gates_beside_its_own_tests(hers: suite.Finished, test: str) -> None:
    assert hers.outcomes[test] == suite.PASSED, hers.said


def test_her_own_limits_and_mistakes_are_red_as_ever_and_nothing_that_could_not_be_measured(
        hers: suite.Finished) -> None:
    assert hers.red() == [f"test_a_mistake_of_hers[{_ID}]", f"test_too_high_a_limit[{_ID}]"]
    assert {hers.outcomes[name] for name in hers.red()} == {suite.FAILED}
    assert hers.status == 1
    assert "could not measure" not in hers.said


def test_jitter_that_is_not_known_skips_the_test_with_what_to_do(hers: suite.Finished) -> None:
    assert hers.outcomes[f"test_jitter[{_ID}]"] == suite.SKIPPED
    assert "give --jitter, or evaluate all images" in hers.messages[f"test_jitter[{_ID}]"]


def test_every_step_is_done_once_for_each_model_and_the_tests_of_a_model_stand_together(tmp_path: Path) -> None:
    folder = foreign.make(tmp_path, _cards("one", "two"))

    said = foreign.run(folder, "--model", "one", "--model", "two", "--setup-plan", "--pyargs",
                       "test_quant_accuracy").said

    lines = [line.strip() for line in said.splitlines()]
    for step in ("model", "checkpoint", "shards", "annotations", "quantsim", "detections", "evaluation", "verdicts"):
        assert sum(line.split(" (")[0] == f"SETUP    S {step}" for line in lines) == 2, step
    models = [line.split("[")[1].split("-w8a8")[0] for line in lines if "::test_" in line and "[" in line]
    assert len(models) > 20
    assert models == sorted(models)


def test_tests_in_any_order_get_what_is_of_their_model(demo: DataPaths, tmp_path: Path) -> None:
    foreign.make(tmp_path, {
        **_cards("a", "b"),
        "conftest.py": """
            import pytest


            @pytest.hookimpl(trylast=True)
            def pytest_collection_modifyitems(items):
                items.sort(key=lambda item: item.name.split("[")[0])
        """, "tests/test_hers.py": """
            import pytest


            @pytest.mark.parametrize("turn", range(3))
            def test_turn(turn, request, model, prepared):
                assert f"[{model.name}-w8a8" in request.node.name
                assert prepared.request.card is model
        """})

    done = foreign.run(tmp_path, "tests/", "--model", "a", "--model", "b", "--shards", "2")

    assert len(done.outcomes) == 6
    assert set(done.outcomes.values()) == {suite.PASSED}, done.said


def test_fixtures_are_described_as_in_a_manual(tmp_path: Path) -> None:
    foreign.make(tmp_path, {})

    said = foreign.run(tmp_path, "--fixtures", shared_cache=False).said

    entries = said.split("from quant_accuracy.plugin.fixtures -")[1].split("--- fixtures defined")[0]
    for name in ("model", "shards", "annotations", "checkpoint", "quantsim", "quantizers", "prepared",
                 "network_verdicts", "detections", "evaluation", "verdicts", "jitter"):
        first, *usage = entries.split(f"\n{name} [session scope]")[1].split(" [session scope]")[0].splitlines()[1:]
        # What record it gives, and how a test uses it.
        assert "`" in first, name
        assert any(f"`{word}" in line for line in usage for word in ("assert", "for", "prepared")), name
    assert "_quant_accuracy" not in said
