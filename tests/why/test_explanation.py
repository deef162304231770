"""Why a gate is red: switches, the noise of each quantizer, and planted culprits on the demo."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError, GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.base.words import FLOAT, QUANTIZED
from quant_accuracy.data import images, shards
from quant_accuracy.graph.network import Network
from quant_accuracy.judging.verdicts import FAIL, Verdict
from quant_accuracy.pipeline.evaluation import Evaluation, evaluate
from quant_accuracy.pipeline.prepared import prepare
from quant_accuracy.pipeline.variations import measure_overridden, measure_without
from quant_accuracy.quantization import calibrate, placement, simulate, switches
from quant_accuracy.quantization.encodings import quantize_dequantize
from quant_accuracy.quantization.records import AIMET, PARAM, Override, Settings, with_layer
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from quant_accuracy.why import explanation, families, noise, sensitivity
from quant_accuracy.why.budget import Budget
from quant_accuracy.why.noise import Noise, QuantizedGraph
from quant_accuracy.why.sensitivity import Sensitivities
from tests.conftest import Run
from tests.support import planted

_NAMES = GraphNames("images", "start", ("middle", "end"), ("", "", "", ""))
_OUTPUTS = ["concat:0", "concat_1:0"]


@pytest.fixture(scope="module")
def network() -> QuantizedGraph:
    """A net of a few layers with a branch and two outputs, quantized to few bits so that noise is plain."""
    random = np.random.RandomState(3)

    def values(*shape: int) -> tf.Tensor:
        return tf.constant(random.normal(size=shape).astype(np.float32) * 0.4)

    with tf.Graph().as_default() as graph:
        pictures = tf.placeholder(tf.uint8, [None, 8, 8, 3], name="images")
        start = tf.identity(tf.cast(pictures, tf.float32) / 128.0 - 1.0, name="start")
        first = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(start, values(3, 3, 3, 6), 1, "SAME", name="a/Conv2D"),
                                           values(6)), name="a/Relu6")
        second = tf.nn.bias_add(tf.nn.depthwise_conv2d_native(first, values(3, 3, 6, 1), [1] * 4, "SAME",
                                                              name="b/depthwise"), values(6), name="b/BiasAdd")
        joined = tf.add(first, second, name="middle")
        tf.nn.conv2d(joined, values(1, 1, 6, 4), 1, "SAME", name="end")
    frozen = graph.as_graph_def()
    settings = Settings(param_bitwidth=4, output_bitwidth=5)
    quantizers = placement.place_quantizers(Network(frozen, "start", ["middle", "end"]), settings)
    return QuantizedGraph(frozen, _NAMES,
                          calibrate.calibrate(frozen, quantizers, settings, "images", _pictures(6)))


def _pictures(count: int) -> List[np.ndarray]:
    return [np.random.RandomState(seed).randint(0, 256, [1, 8, 8, 3]).astype(np.uint8) for seed in range(count)]


def _simulated(network: QuantizedGraph, on: Callable[[str], bool]) -> tf.GraphDef:
    """The simulation with some quantizers only, built for them alone."""
    chosen = [replace(q, enabled=q.enabled and on(q.tensor)) for q in network.quantization.quantizers]
    return simulate.simulate(network.graph, replace(network.quantization, quantizers=chosen))


def _outputs_of(network: QuantizedGraph, on: Callable[[str], bool]) -> List[str]:
    return [q.name + ":0" if q.enabled and on(q.tensor) else q.tensor
            for name in network.names.output_ops for q in network.quantization.quantizers if q.tensor == name + ":0"]


def test_any_set_of_switches_gives_the_simulation_of_that_set_to_the_last_bit(network: QuantizedGraph,
                                                                              run_graph: Run) -> None:
    graph = switches.insert_switches(network.graph, network.quantization)
    tensors = [quantizer.tensor for quantizer in network.measured()]
    outputs = simulate.network_outputs(network.names.output_ops, network.quantization)
    picture = _pictures(1)[0]
    sets: List[Set[str]] = [set(), set(tensors), *({tensor} for tensor in tensors)]
    for seed in range(5):
        sets.append(set(np.array(tensors)[np.random.RandomState(seed).uniform(size=len(tensors)) < 0.5].tolist()))

    for off in sets:
        found = run_graph(graph, outputs, {"images:0": picture, **switches.all_but(network.quantization, off)})
        wanted = run_graph(_simulated(network, lambda tensor, off=off: tensor not in off),  # type: ignore[misc]
                           _outputs_of(network, lambda tensor, off=off: tensor not in off),  # type: ignore[misc]
                           {"images:0": picture})
        for a, b in zip(found, wanted):
            np.testing.assert_array_equal(a, b)


def test_all_on_and_all_off_are_the_demos_two_variants_to_the_last_bit(demo: DataPaths, demo_artifacts: Artifacts,
                                                                      run_graph: Run) -> None:
    picture = images.read_images(shards.find_shards(demo.dataset_dir, demo.pattern), 1, 300, 300)[0]
    quantization, names = demo_artifacts.quantization, ("concat", "concat_1")
    graph = switches.insert_switches(demo_artifacts.graph(FLOAT), quantization)
    outputs = simulate.network_outputs(names, quantization)

    everything = {quantizer.tensor for quantizer in quantization.enabled()}
    ways: List[Tuple[str, Set[str], Sequence[str]]] = [(QUANTIZED, set(), outputs), (FLOAT, everything, _OUTPUTS)]
    for variant, off, own in ways:
        found = run_graph(graph, outputs, {"image_tensor:0": picture, **switches.all_but(quantization, off)})
        wanted = run_graph(demo_artifacts.graph(variant), own, {"image_tensor:0": picture})
        for a, b in zip(found, wanted):
            np.testing.assert_array_equal(a, b)


def test_a_switch_that_does_not_exist_is_named(network: QuantizedGraph) -> None:
    with pytest.raises(GraphError, match="'?nowhere:0'? has no enabled quantizer"):
        switches.all_but(network.quantization, ["nowhere:0"])


def test_noise_is_that_of_a_graph_built_for_each_setting(network: QuantizedGraph, run_graph: Run) -> None:
    """An independent way: no switches, a graph for each setting, numpy for the tensors' own noise."""
    picture = _pictures(1)[0]
    feed = {"images:0": picture}

    def outputs(on: Callable[[str], bool]) -> Sequence[np.ndarray]:
        return run_graph(_simulated(network, on), _outputs_of(network, on), feed)

    def ratio(on: Callable[[str], bool]) -> float:
        return float(np.mean([((a - b) ** 2).sum(dtype=np.float64) / (b ** 2).sum(dtype=np.float64)
                              for a, b in zip(outputs(on), outputs(lambda _: False))]))

    with noise.listening(network) as listener:
        found = sensitivity.summarize(network, listener.measure(picture, noise.singles(network), lambda: None), 1, 1)

    all_on = ratio(lambda _: True)
    assert found.all_on == pytest.approx(-10 * math.log10(all_on), abs=1e-4)
    assert {item.tensor for item in found.quantizers} == {q.tensor for q in network.measured()}
    for item in found.quantizers:
        only_on = ratio(lambda tensor, own=item.tensor: tensor == own)  # type: ignore[misc]
        only_off = ratio(lambda tensor, own=item.tensor: tensor != own)  # type: ignore[misc]
        values = run_graph(network.graph, [item.tensor], feed)[0]
        error = quantize_dequantize(values, network.quantization.encodings[item.tensor][0]).astype(np.float64) - values
        assert item.sqnr == pytest.approx(-10 * math.log10((error ** 2).sum() / (values.astype(float) ** 2).sum()),
                                          abs=1e-3)
        assert item.only_on == pytest.approx(-10 * math.log10(only_on), abs=1e-4)
        assert item.only_off == pytest.approx(-10 * math.log10(only_off), abs=1e-4)
        assert item.blame == pytest.approx((only_on + all_on - only_off) / 2, rel=1e-4)
    assert [item.blame for item in found.quantizers] == sorted((item.blame for item in found.quantizers), reverse=True)


def test_an_activation_is_named_by_the_layer_before_its_bias(network: QuantizedGraph) -> None:
    layers = noise.layers(network)

    assert (layers["b/BiasAdd:0"].name, layers["b/BiasAdd:0"].op) == ("b/depthwise", "DepthwiseConv2dNative")
    assert (layers["a/Relu6:0"].name, layers["a/Relu6:0"].op) == ("a/Relu6", "Relu6")
    assert {layers[q.tensor].name for q in network.measured() if q.kind == PARAM} == {"a/Conv2D", "b/depthwise", "end"}


def test_a_network_without_quantizers_has_none_to_blame(network: QuantizedGraph, tmp_path: Path) -> None:
    off = [replace(quantizer, enabled=False) for quantizer in network.quantization.quantizers]
    without = network._replace(quantization=replace(network.quantization, quantizers=off))

    found = _measure(without, _pictures(2), tmp_path)

    assert list(found.quantizers) == []
    assert found.all_on is None


def _places(folder: Path) -> Callable[[int], Path]:
    return lambda index: folder / f"{index}.npz"


def _measure(network: QuantizedGraph, pictures: Sequence[np.ndarray], folder: Path,
             budget: Optional[Budget] = None) -> Sensitivities:
    with noise.listening(network) as listener:
        return sensitivity.measure(listener, pictures, _places(folder), budget)


def _times(folder: Path) -> Mapping[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npz")}


def test_a_measurement_that_ran_out_of_time_goes_on_with_the_images_that_are_missing(network: QuantizedGraph,
                                                                                     tmp_path: Path) -> None:
    whole = _measure(network, _pictures(3), tmp_path / "whole")
    part = _measure(network, _pictures(3), tmp_path / "parts", Budget(0.0))
    first = _times(tmp_path / "parts")
    rest = _measure(network, _pictures(3), tmp_path / "parts")

    assert (part.images, part.wanted) == (1, 3)
    assert rest == whole
    assert whole.images == 3
    assert list(first) == ["0.npz"]
    assert _times(tmp_path / "parts")["0.npz"] == first["0.npz"]


def test_damaged_noise_of_an_image_is_measured_again_with_a_warning(network: QuantizedGraph, tmp_path: Path,
                                                                    capsys: pytest.CaptureFixture) -> None:
    before = _measure(network, _pictures(2), tmp_path)
    damaged = tmp_path / "1.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])

    assert _measure(network, _pictures(2), tmp_path) == before
    assert f"warning: {damaged}" in capsys.readouterr().err


def test_images_are_looked_at_until_the_most_harmful_ones_keep_their_order(network: QuantizedGraph,
                                                                           tmp_path: Path) -> None:
    pictures = _pictures(24)
    found = _measure(network, pictures, tmp_path)
    again = _measure(network, pictures, tmp_path)

    assert found.stable
    assert 4 <= found.images < found.wanted == 24
    # What is kept gives the same answer, and so do these images alone, whatever they are many of.
    assert again == found
    orders = [[item.tensor for item in _measure(network, pictures[:count], tmp_path).quantizers[:4]]
              for count in range(1, found.images + 1)]
    assert all(order == orders[-1] for order in orders[-4:])
    assert not any(all(order == orders[last] for order in orders[last - 3:last]) for last in range(3, found.images - 1))


def test_an_image_that_does_not_fit_into_the_time_is_not_begun(network: QuantizedGraph, tmp_path: Path) -> None:
    """Each image seems to take a minute: two fit into two minutes and a half."""
    now = [0.0]
    with noise.listening(network) as listener:
        measure = listener.measure

        def slow(image: np.ndarray, groups: Sequence[Sequence[str]], ran: Callable[[], object]) -> Noise:
            found = measure(image, groups, ran)
            now[0] += 60.0
            listener.seconds = 60.0 / noise.runs(groups)
            return found

        listener.measure = slow  # type: ignore[assignment]
        found = sensitivity.measure(listener, _pictures(3), _places(tmp_path), Budget(150.0, lambda: now[0]))

    assert (found.images, found.stable) == (2, False)


def test_noise_of_a_group_is_that_of_its_quantizers_switched_together(network: QuantizedGraph, run_graph: Run,
                                                                      tmp_path: Path) -> None:
    picture = _pictures(1)[0]
    groups = [[q.tensor for q in network.measured() if (q.kind == PARAM) == params] for params in (True, False)]
    with noise.listening(network) as listener:
        found = sensitivity.of_groups(listener, groups, [picture], _places(tmp_path))

    def ratio(on: Callable[[str], bool]) -> float:
        pair = [run_graph(_simulated(network, which), _outputs_of(network, which), {"images:0": picture})
                for which in (on, lambda _: False)]
        return float(np.mean([((a - b) ** 2).sum(dtype=np.float64) / (b ** 2).sum(dtype=np.float64)
                              for a, b in zip(*pair)]))

    for group, effect in zip(groups, found):
        only_on, only_off = ratio(lambda t, g=group: t in g), ratio(lambda t, g=group: t not in g)  # type: ignore[misc]
        assert effect.only_on == pytest.approx(-10 * math.log10(only_on), abs=1e-4)
        assert effect.only_off == pytest.approx(-10 * math.log10(only_off), abs=1e-4)
        assert effect.blame == pytest.approx((only_on + ratio(lambda _: True) - only_off) / 2, rel=1e-4)


def _drop(done: Evaluation) -> float:
    before, after = (done.variants[name].metrics.figures["mAP"] for name in (FLOAT, QUANTIZED))
    assert before is not None
    assert after is not None
    return before - after


def _failed(done: Evaluation, allowed: float) -> Evaluation:
    """As if these shards were the whole data set, and this the limit on the drop."""
    return replace(done, verdicts=[Verdict("mAP_drop", _drop(done), None, allowed, FAIL, "")])


@pytest.mark.parametrize("culprit", [*list(planted.CULPRITS)[:2], *(
    pytest.param(culprit, marks=pytest.mark.soak) for culprit in list(planted.CULPRITS)[2:])])
def test_a_planted_culprit_ranks_first_and_is_all_that_has_to_go(culprit: str, demo: DataPaths, demo_card: ModelCard,
                                                                 demo_artifacts: Artifacts, cache: Cache,
                                                                 tmp_path: Path) -> None:
    # Few images: where the ranges end is not what this is about.
    card = replace(demo_card, calibration_images=8)
    given = planted.CULPRITS[culprit](card, demo, tmp_path, demo_artifacts)
    own = _drop(evaluate(Request(demo_card, demo, 1, selection="0-1"), cache))
    done = evaluate(Request(given.card, given.data, 1, selection="0-1"), cache)
    assert _drop(done) > own + 0.01

    found = explanation.explain(_failed(done, (own + _drop(done)) / 2), minutes=5.0, most_images=1)

    first = found.sensitivities.quantizers[0]
    assert first.layer.startswith(given.scope)
    assert found.culprits is not None
    assert found.culprits.best is not None
    assert found.culprits.best.off == (first.tensor,)
    assert found.culprits.smallest
    named = with_layer(first.tensor, first.layer)
    assert found.lines()[0].startswith(f"culprit, 1 of 163 quantizers: {named}; without it")
    assert named in found.lines()[1]


def test_a_float_variant_that_does_not_reach_the_goal_leaves_no_quantizer_to_blame(
        demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)
    after = done.variants[QUANTIZED].metrics.figures["mAP"]

    found = explanation.explain(replace(done, verdicts=[Verdict("mAP_floor", after, 0.99, None, FAIL, "")]),
                                minutes=5.0, most_images=1)

    assert found.culprits is None
    assert found.lines()[0].startswith("no quantizer is to blame: the float variant does not reach quantized mAP at "
                                       "least 0.9900 either")


def test_weights_of_few_bits_are_named_as_a_family_that_really_meets_the_gate_off_and_at_8_bits(
        demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    """No single culprit: the weights are too coarse as a whole. Few measurements tell, whatever they take."""
    card = replace(demo_card, calibration_images=4, quantization=replace(demo_card.quantization, param_bitwidth=4))
    done = evaluate(Request(card, demo, 1, selection="0"), cache)
    assert _drop(done) > 0.05

    # A second passes each time that someone looks.
    clock = map(float, itertools.count()).__next__
    found = explanation.explain(_failed(done, 0.02), minutes=0.25, most_images=1, clock=clock)

    assert found.culprits is not None
    assert found.culprits.best is not None
    assert 1 <= len(found.culprits.trials) <= 5
    weights = {q.tensor for q in done.artifacts.quantizers if q.enabled and q.kind == PARAM}
    off = found.culprits.best.off
    assert set(off) <= weights
    assert f"culprits, {len(off)} of 163 quantizers ({families.describe(off, found.families)}): " in found.lines()[0]
    assert "time ran out" in found.lines()[0]
    # Each of these figures is that of a run of its own.
    without = measure_without(done.prepared, off).metrics
    raised = found.culprits.raised[0]
    assert set(raised.raised) == weights
    at_8_bits = evaluate(Request(replace(card, quantization=demo_card.quantization), demo, 1, selection="0"), cache)
    before = done.variants[FLOAT].metrics.figures["mAP"]
    assert before is not None
    for metrics, claimed in ((without, found.culprits.best.metrics),
                             (at_8_bits.variants[QUANTIZED].metrics, raised.metrics)):
        assert metrics == claimed
        assert (metrics.figures["mAP"] or 0.0) >= before - 0.02
    assert f"with 8 bits for weights it is {raised.metrics.figures['mAP']:.4f}, enough" in found.lines()[0]


def test_other_bits_are_what_a_card_with_these_overrides_gives(demo: DataPaths, demo_card: ModelCard,
                                                               cache: Cache) -> None:
    overrides = [Override("*/Relu6:0", bitwidth=4), Override("concat*:0", enabled=False)]
    found = measure_overridden(prepare(Request(demo_card, demo, 1, selection="0"), cache), overrides)

    card = replace(demo_card, quantization=replace(demo_card.quantization, overrides=tuple(overrides)))
    done = evaluate(Request(card, demo, 1, selection="0"), cache)

    assert found.metrics == done.variants[QUANTIZED].metrics
    assert {q.tensor: (q.bitwidth, q.enabled) for q in done.artifacts.quantizers}["concat:0"] == (8, False)


def test_attribution_adds_up_to_the_drop(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)

    where = explanation.explain(done, minutes=5.0, most_images=1).attribution

    drops = [item.drop for item in where.classes]
    assert drops == sorted(drops, reverse=True)
    assert sum(drops) / len(drops) == pytest.approx(_drop(done))
    assert sum(item.share or 0.0 for item in where.classes) == pytest.approx(1.0)
    assert where.drop_without is not None
    assert where.drop_without < _drop(done)
    assert set(where.image_ids) <= set(done.variants[FLOAT].merged.image_ids.tolist())


def test_what_aimet_runs_cannot_be_asked_why(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> None:
    done = evaluate(Request(demo_card, demo, 1, selection="0-1"), cache)
    artifacts = replace(done.artifacts, simulator=AIMET)
    of_aimet = replace(done, prepared=replace(done.prepared, artifacts=artifacts))

    with pytest.raises(ConfigurationError, match="AIMET runs a graph of its own.*--simulate builtin"):
        explanation.explain(of_aimet, minutes=5.0)
