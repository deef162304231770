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
    """The model card under test, a `ModelCard`: op names, quantizer settings, gates and assumptions.
    A test that takes this fixture, or one that builds on it, runs once for each card of `--model`, and is named after
    it: `assert model.quantization.param_bitwidth == 8`.
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
                   jitter=asked.jitter or (bool(quant_options.get("update_baselines")) and model.compares()))


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
    """The TFRecord shards to evaluate, in order, a list of `Shard`: what `--shards` and the like leave of all.
    `assert sum(shard.records for shard in shards) == 5000`.
    """
    return _quant_accuracy_data_set.evaluated


@pytest.fixture(scope="session")
def annotations(_quant_accuracy_request: "Request", _quant_accuracy_watch: "Stopwatch") -> "Annotations":
    """The COCO annotations, checked, an `Annotations`: the ground truth of the whole data set.
    `assert len(annotations.categories) == 80`.
    """
    from quant_accuracy.data import annotations as files

    with _quant_accuracy_watch.step("prepare"):
        return files.load(_quant_accuracy_request.data.annotations)


@pytest.fixture(scope="session")
def checkpoint(model: "ModelCard", _quant_accuracy_request: "Request", shards: "Sequence[Shard]",
               annotations: "Annotations", _quant_accuracy_cache: "Cache",
               _quant_accuracy_watch: "Stopwatch") -> "Checkpoint":
    """The restored checkpoint, a `Checkpoint`: the frozen float graph with its batch norms folded.
    `assert not [node.name for node in checkpoint.graph().node if node.op.startswith("FusedBatchNorm")]`.
    """
    from quant_accuracy.artifacts import build

    asked = _quant_accuracy_request
    with _quant_accuracy_watch.step("prepare"):
        return build.restore(build.settled(model), asked.data.checkpoint, _quant_accuracy_cache, asked.trusted,
                             asked.batch_size)


@pytest.fixture(scope="session")
def quantsim(model: "ModelCard", checkpoint: "Checkpoint", _quant_accuracy_data_set: "DataSet",
             _quant_accuracy_cache: "Cache", _quant_accuracy_watch: "Stopwatch") -> "Artifacts":
    """The quantization simulation, an `Artifacts`: quantizers, calibrated encodings, and the quantsim graph.
    `assert all(encoding.scale < 0.1 for encoding in quantsim.encodings["concat:0"])`.
    """
    from quant_accuracy.artifacts import build

    with _quant_accuracy_watch.step("prepare"):
        return build.simulate(build.settled(model), checkpoint, _quant_accuracy_data_set.every, _quant_accuracy_cache)


@pytest.fixture(scope="session")
def quantizers(quantsim: "Artifacts") -> "Sequence[Quantizer]":
    """Every quantizer of the network, a list of `Quantizer`: enabled or not, with the rule that decided.
    `assert not [item.tensor for item in quantizers if item.enabled and item.bitwidth > 8]`.
    """
    return quantsim.quantizers


@pytest.fixture(scope="session")
def prepared(model: "ModelCard", _quant_accuracy_request: "Request", _quant_accuracy_data_set: "DataSet",
             annotations: "Annotations", quantsim: "Artifacts", _quant_accuracy_cache: "Cache",
             _quant_accuracy_watch: "Stopwatch", pytestconfig: pytest.Config) -> "Prepared":
    """Everything that is settled before an image is evaluated, a `Prepared`: data, artifacts, the baseline.
    For what other fixtures do not give: `prepared.snapshot()` has the quantizers with their ranges.
    """
    from quant_accuracy.pipeline.prepared import of_parts

    with _quant_accuracy_watch.step("prepare"):
        found = of_parts(_quant_accuracy_request, _quant_accuracy_cache, _quant_accuracy_data_set, annotations,
                         quantsim, _quant_accuracy_watch)
    findings.of(pytestconfig, model.name).prepared = found
    return found


@pytest.fixture(scope="session")
def network_verdicts(prepared: "Prepared") -> "Mapping[str, Verdict]":
    """The verdicts of the checks on the quantized network, `Verdict` by name: no image is evaluated for them.
    `assert network_verdicts["encodings_drift"].value < 0.001`.
    """
    return {verdict.gate: verdict for verdict in prepared.checks(prepared.baseline())}


@pytest.fixture(scope="session")
def detections(prepared: "Prepared", pytestconfig: pytest.Config) -> "Mapping[str, Detected]":
    """What the `float` and the `quantized` variant detect, `Detected` by variant: shard by shard, before merging.
    `for shard, found in detections["quantized"].parts: assert (found.scores > 0).all(), shard.path`.
    """
    from quant_accuracy.pipeline import evaluation

    model = prepared.request.card.name
    found = evaluation.detect(prepared)
    findings.of(pytestconfig, model).detections = found
    return found


@pytest.fixture(scope="session")
def evaluation(prepared: "Prepared", detections: "Mapping[str, Detected]",
               pytestconfig: pytest.Config) -> "Evaluation":
    """The evaluation of both variants, an `Evaluation`: COCO's figures, matches, and verdicts.
    `assert evaluation.quantized.metrics.AP_small > 0.1`; `evaluation.float` is what it is compared with, and
    `metrics.per_class["person"]` the AP of a class.
    """
    from quant_accuracy.pipeline.evaluation import conclude

    found = conclude(prepared, detections)
    findings.of(pytestconfig, prepared.request.card.name).evaluation = found
    return found


@pytest.fixture(scope="session")
def verdicts(evaluation: "Evaluation") -> "Mapping[str, Verdict]":
    """The verdicts of the card's gates and of all checks, `Verdict` by name.
    `assert verdicts["mAP_drop"].outcome == "pass"`, or `settle(verdicts["mAP_drop"])`.
    """
    return {verdict.gate: verdict for verdict in evaluation.verdicts}


@pytest.fixture(scope="session")
def jitter(evaluation: "Evaluation") -> "Jitter":
    """The run-to-run variation of the figures from float32 rounding, a `Jitter`: of `--jitter`, else the baseline's.
    Room for a limit of your own: `assert evaluation.quantized.metrics.mAP > 0.24 - jitter.tolerance("quantized mAP")`.
    Where the variation is not known, the test is skipped.
    """
    found = evaluation.figures.jitter
    if found is None:
        pytest.skip("the run-to-run variation is not known: give --jitter, or evaluate all images and compare with a "
                    "baseline")
    return found
