"""Encodings from AIMET: calibrated, exported, and read back."""

from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base import files, progress
from quant_accuracy.base.errors import DataError, StorageError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.quantization import encodings_file
from quant_accuracy.quantization.aimet.installation import Aimet
from quant_accuracy.quantization.aimet.simulation import feeds, fetches
from quant_accuracy.quantization.aimet.workspace import CHECKPOINT, EXPORT, PREFIX, step
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import Encoding, Encodings, Quantizer

_REMEDY = "AIMET wrote it so: look at the calibration images and at the weights, or use --backend builtin"


def run(session: tf.Session, names: GraphNames, batches: Sequence[Batch]) -> None:
    """Run a network on all calibration images: uint8 [batch, height, width, 3] each, or values by placeholder."""
    fetched = fetches(session.graph, names.output_ops)
    for batch in progress.bar(batches, len(batches), "batches", "calibrating"):
        session.run(fetched, feeds(session.graph, names, batch))


def calibrate(modules: Aimet, sim: Any, quantizers: Sequence[Quantizer],
              forward: Callable[[tf.Session], None]) -> Encodings:
    """The encodings of a simulation that is not going to be run.

    Args:
        modules: AIMET's modules.
        sim: A new simulation.
        quantizers: Its quantizers.
        forward: Runs a network on all calibration images.

    Raises:
        DataError: AIMET failed on the images, or saw no values of a quantizer's tensor.
    """
    # AIMET's compute_encodings and export go through variables that take most of its time to set, and are needed only
    # to run the network. A new simulation is collecting statistics already, weights included, so the encodings can be
    # read off; an export now would write ranges of zero.
    encodings: Dict[str, Tuple[Encoding, ...]] = {}
    with _calibration():
        forward(sim.session)
        for quantizer in quantizers:
            if quantizer.enabled:
                info = sim.quantizer_config(quantizer.name)
                found = info.compute_encoding(quantizer.bitwidth, quantizer.symmetry.symmetric)
                # Without statistics AIMET gives whatever was in memory, and leaves the encoding invalid.
                if info.is_encoding_valid():
                    encodings[quantizer.tensor] = (_as_exported(modules, found, quantizer),)
    return _complete(quantizers, encodings)


def _as_exported(modules: Aimet, found: Any, quantizer: Quantizer) -> Encoding:
    minimum, maximum = modules.common.gate_min_max(found.min, found.max)
    scale, offset = modules.common.calculate_delta_offset(minimum, maximum, quantizer.bitwidth)
    return Encoding(float(minimum), float(maximum), float(scale), int(offset), quantizer.bitwidth,
                    quantizer.symmetry.symmetric)


def calibrate_and_save(modules: Aimet, sim: Any, quantizers: Sequence[Quantizer],
                       forward: Callable[[tf.Session], None], folder: Path) -> Encodings:
    """The encodings of a simulation, which is exported and saved to be run; otherwise as `calibrate`.

    Raises:
        DataError: AIMET failed on the images, or saw no values of a quantizer's tensor.
        StorageError: The folder cannot be written.
    """
    with _calibration():
        sim.compute_encodings(lambda session, _: forward(session), None)
    with files.storage_errors(folder):
        for name in (EXPORT, CHECKPOINT):
            (folder / name).mkdir(parents=True, exist_ok=True)
    with step("exporting", StorageError, f"see that {folder} can be written and has space"):
        # The export copies a file of the working folder that the next simulation would overwrite.
        sim.export(str(folder / EXPORT), PREFIX)
        encodings = _complete(quantizers, encodings_file.read(folder / EXPORT / f"{PREFIX}.encodings", _REMEDY).all())
    with step("saving the simulation", StorageError, f"see that {folder} can be written and has space"):
        modules.quantsim.save_checkpoint(sim, str(folder / CHECKPOINT), PREFIX)
    return encodings


def _calibration() -> ContextManager[None]:
    return step("calibrating", DataError, "look at the calibration images and at the weights")


def _complete(quantizers: Sequence[Quantizer], encodings: Encodings) -> Encodings:
    """The encodings of the enabled quantizers, each of which has to have one."""
    enabled = [quantizer.tensor for quantizer in quantizers if quantizer.enabled]
    for tensor in enabled:
        if tensor not in encodings:
            raise DataError(f"AIMET saw no values of {tensor} while calibrating, so its quantizer has no encoding; "
                            "see that output_ops in the model card name all outputs of the network")
    return {tensor: encodings[tensor] for tensor in enabled}
