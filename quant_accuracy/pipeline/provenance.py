"""What the figures were measured from."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict

import numpy as np

from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.words import TENSORFLOW
from quant_accuracy.data import images
from quant_accuracy.graph import sessions
from quant_accuracy.judging import baseline
from quant_accuracy.judging.baseline import CALIBRATION_KEY
from quant_accuracy.pipeline import device
from quant_accuracy.pipeline.prepared import Prepared
from quant_accuracy.quantization.records import PERCENTILE
from quant_accuracy.runtimes import choice


def of_prepared(prepared: Prepared) -> Dict[str, Any]:
    """Everything that the figures depend on, JSON-like, with digests of files."""
    request, artifacts = prepared.request, prepared.artifacts
    settings = request.card.quantization
    suppression = artifacts.suppression and artifacts.suppression.postprocessing
    return {
        "checkpoint": _digests(request.data.checkpoint),
        "data": {
            "annotations": prepared.truth.digest(),
            "shards": {shard.path.name: prepared.digests[shard.index] for shard in prepared.shards},
            "preprocessing": images.preprocessing(request.card.height, request.card.width),
        },
        "quantization": {
            "scheme": settings.scheme,
            "param_bitwidth": settings.param_bitwidth,
            "output_bitwidth": settings.output_bitwidth,
            "configuration": files.digest_value(asdict(settings.configuration)),
            "overrides": {override.tensors: asdict(override) for override in settings.overrides},
            "encodings_file": settings.encodings_file and files.digest_file(settings.encodings_file),
            "calibration_images": request.card.calibration_images,
            CALIBRATION_KEY: prepared.calibration_digest(),
            "simulator": artifacts.simulator,
            # Only where the card names it: baselines of cards that do not stay comparable.
            **({"spelled_out_batch_norms": settings.spelled_out_batch_norms}
               if settings.spelled_out_batch_norms else {}),
            **({"percentile": settings.percentile} if settings.scheme == PERCENTILE else {}),
            **({"checkpoint": _digests(request.card.quantized_checkpoint)}
               if request.card.quantized_checkpoint else {}),
        },
        "detection": {
            "batch_size": request.batch_size,
            "suppression": "outside the graph, verified" if suppression else "the graph's own",
            "score_threshold": suppression and suppression.score_threshold,
            "iou_threshold": suppression and suppression.iou_threshold,
        },
        # TensorFlow's version is below.
        baseline.RUNTIME_KEY: TENSORFLOW if artifacts.computation.runtime == TENSORFLOW
        else choice.of_name(artifacts.computation.runtime).identity,
        # Only where there is one: baselines without it stay comparable.
        **device.provenance(prepared),
        "versions": {"tensorflow": sessions.version(), "numpy": np.__version__, **artifacts.versions},
    }


def _digests(checkpoint: Path) -> Dict[str, str]:
    return {path.name: files.digest_file(path) for path in checkpoint_parts.checkpoint_files(checkpoint)}
