"""What workers detect is the same to the last bit wherever they run, whatever computes the network."""

from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, List, Optional

import numpy as np
import pytest

from quant_accuracy.artifacts import build
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import FLOAT, OPENVINO, QUANTIZED
from quant_accuracy.data import annotations
from quant_accuracy.data import shards as shard_files
from quant_accuracy.detection.run import Detected, Run
from quant_accuracy.pipeline import inference
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.executor import Choice
from quant_accuracy.settings.options import PROCESSES
from quant_accuracy.settings.request import Request

_IMAGES = 6
_BOTH = [Run(FLOAT), Run(QUANTIZED)]
Prepare = Callable[..., Prepared]


@pytest.fixture(scope="module")
def openvino(demo: DataPaths, demo_card: ModelCard, cache: Cache) -> Artifacts:
    """The demo's artifacts, calibrated by OpenVINO."""
    shards = shard_files.find_shards(demo.dataset_dir, demo.pattern)
    return build.build(replace(demo_card, runtime=OPENVINO), demo.checkpoint, shards, cache)


@pytest.fixture
def prepare(demo: DataPaths, demo_card: ModelCard, openvino: Artifacts, tmp_path: Path) -> Prepare:
    """Prepares an evaluation of a few images, with a cache of its own that has no detections yet."""

    def make(name: str, artifacts: Artifacts = openvino, chosen: Optional[Choice] = None,
             threads: Optional[int] = None) -> Prepared:
        found = shard_files.find_shards(demo.dataset_dir, demo.pattern)[:2]
        cut = [replace(shard, records=_IMAGES) for shard in found]
        request = Request(demo_card, demo, 1, executor=chosen or Choice(), threads=threads)
        return Prepared(request, artifacts, cut, {shard.index: files.digest_file(shard.path) for shard in cut}, found,
                        annotations.load(demo.annotations), Cache(tmp_path / name))

    return make


def _content(detected: Dict[Run, Detected]) -> List[bytes]:
    return [getattr(part, name).tobytes() for run in detected.values() for _, part in run.parts
            for name in ("image_ids", "boxes", "scores", "classes")]


def test_openvino_gives_the_same_detections_on_one_thread_on_two_and_in_processes(prepare: Prepare) -> None:
    ways = [prepare("one", threads=1), prepare("two", threads=2), prepare("processes", chosen=Choice(PROCESSES, 2))]

    found = [_content(inference.detect(prepared, _BOTH)) for prepared in ways]

    assert found[0] == found[1] == found[2]


def test_openvino_detects_what_tensorflow_detects(prepare: Prepare, demo_artifacts: Artifacts) -> None:
    ours, theirs = (inference.detect(prepare(name, artifacts), _BOTH) for name, artifacts in
                    (("openvino", prepare("any").artifacts), ("tensorflow", demo_artifacts)))

    for run, least in ((_BOTH[0], 0.999), (_BOTH[1], 0.8)):
        pairs = [(one, other) for (_, one), (_, other) in zip(ours[run].parts, theirs[run].parts)]
        # Of each image the best few, whose order rounding does not change in the float variant.
        same = np.mean([np.allclose(one.scores[:5], other.scores[:5], atol=0.05) for one, other in pairs])
        assert same >= least


def test_what_tensorflow_computes_and_what_openvino_computes_lie_apart_in_the_cache(
        prepare: Prepare, demo_artifacts: Artifacts) -> None:
    runs = [Run(FLOAT)]
    names = [set(inference._paths_of(prepare("same", artifacts), runs).values())
             for artifacts in (prepare("same").artifacts, demo_artifacts)]

    assert not names[0] & names[1]


def test_openvino_scales_the_input_and_leaves_quantizers_out(prepare: Prepare) -> None:
    prepared = prepare("some")
    tensors = [quantizer.tensor for quantizer in prepared.artifacts.quantization.enabled()]
    plain, scaled, alone = Run(FLOAT), Run(FLOAT, scale=1.01), Run(QUANTIZED, scale=1.01)
    none = Run(QUANTIZED, disabled=tuple(sorted(tensors)))
    found = inference.detect(prepared, [plain, scaled, alone, none])

    # Without any quantizer it is the float network, but for how its ops were joined.
    for (_, one), (_, other) in zip(found[none].parts, found[plain].parts):
        np.testing.assert_allclose(one.scores[:5], other.scores[:5], atol=1e-4)
    assert _content({plain: found[plain]}) != _content({plain: found[scaled]})
    with pytest.raises(GraphError, match="nowhere:0 has no enabled quantizer"):
        inference.detect(prepared, [Run(QUANTIZED, disabled=("nowhere:0",))])
