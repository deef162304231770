"""The session fixtures: from a model card to verdicts, each step made once for a model, from the cache where it can be.

A step that fails is kept as well as a result: pytest raises its error for every test that needs it.
Imports of the engine stand in the fixtures: collecting tests imports nothing of it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

import pytest

from quant_accuracy.plugin import findings, options, parallel
from quant_accuracy.plugin.parameters import CARD

if TYPE_CHECKING:
    from quant_accuracy.artifacts.records import Artifacts, Checkpoint
    from quant_accuracy.base.cache import Cache
    from quant_accuracy.base.stopwatch import Stopwatch
    from quant_accuracy.data.annotations import Annotations
    from quant_accuracy.data.shards import Shard
    from quant_accuracy.detection.run import Detected
    from quant_accuracy.judging.jitter import Jitter
    from quant_accuracy.judging.verdicts import Verdict
    from quant_accuracy.pipeline.data_set import DataSet
    from quant_accuracy.pipeline.evaluation import Evaluation
    from quant_accuracy.pipeline.prepared import Prepared
    from quant_accuracy.quantization.records import Quantizer
    from quant_accuracy.settings.card import ModelCard
    from quant_accuracy.settings.request import Request
    from quant_accuracy.settings.values import Values


@pytest.fixture(scope="session", name=CARD)
def _quant_accuracy_card(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> "ModelCard":
    """The model card that the id of the test names; of a test that is not parametrized, the only one."""
    from quant_accuracy.base.errors import ConfigurationError

    cards = {card.name: card for card in options.cards_of(pytestconfig)}
    name = getattr(request, "param", None if len(cards) > 1 else next(iter(cards)))
    if name is None:
        raise ConfigurationError(f"the test does not say which of {', '.join(cards)} it is about; let it take the "
                                 "fixture `model` as an argument")
    return cards[name]


@pytest.fixture(scope="session")
def model(_quant_accuracy_card: "ModelCard", pytestconfig: pytest.Config) -> "Iterator[ModelCard]":
    """The model card under test (`ModelCard`): its graph's ops, quantizer settings, gates and assumptions.

    A test that takes this fixture, or one of those below, is run once for each model card of `--model`, and named after
    it:

        def test_weights_have_8_bits(model):
            assert model.quantization.param_bitwidth == 8
    """
    yield _quant_accuracy_card
    findings.close(pytestconfig, _quant_accuracy_card.name)


@pytest.fixture(scope="session")
def _quant_accuracy_cache(quant_options: "Values") -> "Cache":
    """Where artifacts and finished shards are kept."""
    from quant_accuracy.settings import request

    return request.chosen_cache(quant_options)


@pytest.fixture(scope="session")
def _quant_accuracy_request(model: "ModelCard", quant_options: "Values", _quant_accuracy_cache: "Cache",
                            pytestconfig: pytest.Config) -> "Request":
    """What the options ask for of the model."""
    from quant_accuracy.demo import ready
    from quant_accuracy.settings import preflight
    from quant_accuracy.settings import request as requests

    asked = requests.of_card(model, quant_options, _quant_accuracy_cache, ready.data_paths)
    # All that is cheap to find is looked for before TensorFlow is imported.
    preflight.check(asked)
    return replace(asked, threads=asked.threads or parallel.threads(pytestconfig),
                   jitter=asked.jitter or bool(quant_options.get("update_baselines")))


@pytest.fixture(scope="session")
def _quant_accuracy_watch(model: "ModelCard") -> "Stopwatch":
    """How long the steps of the model take."""
    from quant_accuracy.base.stopwatch import Stopwatch

    return Stopwatch()


@pytest.fixture(scope="session")
def _quant_accuracy_data_set(_quant_accuracy_request: "Request", _quant_accuracy_watch: "Stopwatch") -> "DataSet":
    """The shards that there are, and those to evaluate."""
    from quant_accuracy.pipeline import data_set

    with _quant_accuracy_watch.step("prepare"):
        return data_set.select(_quant_accuracy_request)


@pytest.fixture(scope="session")
def shards(_quant_accuracy_data_set: "DataSet") -> "Sequence[Shard]":
    """The TFRecord shards to evaluate (a list of `Shard`), in order: what `--shards` and the like leave of all.

        def test_the_whole_set_is_evaluated(shards):
            assert sum(shard.records for shard in shards) == 5000
    """
    return _quant_accuracy_data_set.evaluated


@pytest.fixture(scope="session")
def annotations(_quant_accuracy_request: "Request", _quant_accuracy_watch: "Stopwatch") -> "Annotations":
    """The COCO annotations (`Annotations`): checked ground truth of the whole data set.

        def test_there_are_80_categories(annotations):
            assert len(annotations.categories) == 80
    """
    from quant_accuracy.data import annotations as files

    with _quant_accuracy_watch.step("prepare"):
        return files.load(_quant_accuracy_request.data.annotations)


@pytest.fixture(scope="session")
def checkpoint(model: "ModelCard", _quant_accuracy_request: "Request", shards: "Sequence[Shard]",
               annotations: "Annotations", _quant_accuracy_cache: "Cache",
               _quant_accuracy_watch: "Stopwatch") -> "Checkpoint":
    """The restored checkpoint (`Checkpoint`): the frozen float graph with its batch norms folded.

        def test_the_graph_is_small(checkpoint):
            assert len(checkpoint.graph().node) < 2000
    """
    from quant_accuracy.artifacts import build

    asked = _quant_accuracy_request
    with _quant_accuracy_watch.step("prepare"):
        return build.restore(build.settled(model), asked.data.checkpoint, _quant_accuracy_cache, asked.trusted,
                             asked.batch_size)


@pytest.fixture(scope="session")
def quantsim(model: "ModelCard", checkpoint: "Checkpoint", _quant_accuracy_data_set: "DataSet",
             _quant_accuracy_cache: "Cache", _quant_accuracy_watch: "Stopwatch") -> "Artifacts":
    """The quantization simulation (`Artifacts`): quantizers, their calibrated encodings, and the quantsim graph.

        def test_the_scale_of_the_input_is_fine(quantsim):
            (encoding,) = quantsim.encodings["FeatureExtractor/MobilenetV2/Conv/Relu6:0"]
            assert encoding.scale < 0.05
    """
    from quant_accuracy.artifacts import build

    with _quant_accuracy_watch.step("prepare"):
        return build.simulate(build.settled(model), checkpoint, _quant_accuracy_data_set.every, _quant_accuracy_cache)


@pytest.fixture(scope="session")
def quantizers(quantsim: "Artifacts") -> "Sequence[Quantizer]":
    """Every quantizer of the network (a list of `Quantizer`), enabled or not, with the rule that decided.

        def test_no_bias_is_quantized(quantizers):
            assert not [item.tensor for item in quantizers if item.enabled and "BiasAdd/bias" in item.tensor]
    """
    return quantsim.quantizers


@pytest.fixture(scope="session")
def prepared(model: "ModelCard", _quant_accuracy_request: "Request", _quant_accuracy_data_set: "DataSet",
             annotations: "Annotations", quantsim: "Artifacts", _quant_accuracy_cache: "Cache",
             _quant_accuracy_watch: "Stopwatch", pytestconfig: pytest.Config) -> "Prepared":
    """Everything that is settled before an image is evaluated (`Prepared`): data, artifacts, and the baseline's place.

    The way to what the other fixtures do not give, such as `prepared.snapshot()`: quantizers with their ranges.
    """
    from quant_accuracy.pipeline.prepared import of_parts

    with _quant_accuracy_watch.step("prepare"):
        found = of_parts(_quant_accuracy_request, _quant_accuracy_cache, _quant_accuracy_data_set, annotations,
                         quantsim, _quant_accuracy_watch)
    findings.of(pytestconfig, model.name).prepared = found
    return found


@pytest.fixture(scope="session")
def network_verdicts(prepared: "Prepared") -> "Mapping[str, Verdict]":
    """The verdicts of the checks on the quantized network (`Verdict` by name): no image is evaluated for them.

        def test_drift_is_tiny(network_verdicts):
            assert network_verdicts["encodings_drift"].value < 0.001
    """
    return {verdict.gate: verdict for verdict in prepared.checks(prepared.baseline())}


@pytest.fixture(scope="session")
def detections(prepared: "Prepared", pytestconfig: pytest.Config) -> "Mapping[str, Detected]":
    """What the `float` and the `quantized` variant detect on the shards (`Detected` by variant), shard by shard.

        def test_boxes_have_scores(detections):
            for shard, found in detections["quantized"].parts:
                assert (found.scores > 0).all(), shard.path
    """
    from quant_accuracy.pipeline import evaluation

    model = prepared.request.card.name
    found = evaluation.detect(prepared)
    findings.of(pytestconfig, model).detections = found
    return found


@pytest.fixture(scope="session")
def evaluation(prepared: "Prepared", detections: "Mapping[str, Detected]",
               pytestconfig: pytest.Config) -> "Evaluation":
    """The evaluation of both variants (`Evaluation`): COCO's figures, matches, and the verdicts.

        def test_small_objects(evaluation):
            assert evaluation.quantized.metrics.AP_small > 0.1

        def test_people_lose_little(evaluation):
            drop = evaluation.float.metrics.per_class["person"] - evaluation.quantized.metrics.per_class["person"]
            assert drop < 0.01
    """
    from quant_accuracy.pipeline.evaluation import conclude

    found = conclude(prepared, detections)
    findings.of(pytestconfig, prepared.request.card.name).evaluation = found
    return found


@pytest.fixture(scope="session")
def verdicts(evaluation: "Evaluation") -> "Mapping[str, Verdict]":
    """The verdicts of the model card's gates and of all checks (`Verdict` by name).

        def test_the_drop_is_certain(verdicts):
            assert verdicts["mAP_drop"].outcome == "pass"
    """
    return {verdict.gate: verdict for verdict in evaluation.verdicts}


@pytest.fixture(scope="session")
def jitter(evaluation: "Evaluation") -> "Jitter":
    """The run-to-run variation of the figures from float32 rounding (`Jitter`): of `--jitter`, else the baseline's.

    A test with a limit of its own can leave so much room; it is skipped where the variation is not known.

        def test_mAP(evaluation, jitter):
            assert evaluation.quantized.metrics.mAP > 0.24 - jitter.tolerance("quantized mAP")
    """
    found = evaluation.figures.jitter
    if found is None:
        pytest.skip("the run-to-run variation is not known: give --jitter, or evaluate all images and compare with a "
                    "baseline")
    return found
