"""From a network to AIMET's quantizers and encodings, by way of ONNX."""

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import tensorflow.compat.v1 as tf

from quant_accuracy.base import files, progress
from quant_accuracy.base.errors import ConfigurationError, DataError, GraphError, StorageError
from quant_accuracy.graph import sessions
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import both_aimets, overrides
from quant_accuracy.quantization.aimet_onnx import conversion, joining, simulation
from quant_accuracy.quantization.aimet_onnx.installation import PRODUCT, AimetOnnx, load_modules, require, step
from quant_accuracy.quantization.aimet_onnx.joining import Joined
from quant_accuracy.quantization.aimet_onnx.tensors import Tensors
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import Encoding, Encodings, Quantization, Quantizer, Settings

_CARD = "correct the model card or the quantizer configuration, or use --backend builtin"

_BITWIDTHS = range(2, 32)


def build(network: Network, image_input: str, settings: Settings, batches: Sequence[Batch],
          folder: Path) -> Quantization:
    """Convert, place, calibrate and export with AIMET ONNX.

    Quantizers and encodings are named after the tensors of `network`; what is exported has the names of the ONNX model.

    Args:
        network: The network in a frozen graph, batch norms folded.
        image_input: The placeholder that takes images.
        settings: Scheme, bit widths, configuration and overrides.
        batches: Calibration images, uint8 [batch, height, width, 3], or values for each of several placeholders.
        folder: Gets AIMET's export, and what `open_network` needs.

    Raises:
        ConfigurationError: AIMET ONNX is not installed, cannot be loaded, or does not take the settings.
        GraphError: The network cannot be converted, or what comes out computes something else, or AIMET failed on it.
        DataError: There are no images, or AIMET failed on them or saw no values of a quantizer's tensor.
        StorageError: The folder cannot be written.
    """
    require()
    both_aimets.check_bitwidths(settings, _BITWIDTHS, PRODUCT)
    if len(batches) == 0:
        raise DataError("there are no calibration images; name shards that hold some")
    modules = load_modules()
    notes: List[str] = []
    path = folder / simulation.FOLDER
    with files.storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        simulation.write_configuration(path / simulation.CONFIGURATION, settings.configuration)
    with step("converting the network to ONNX", GraphError, "use --backend builtin"):
        cut = conversion.cut_out(network)
        model = conversion.to_onnx(modules, cut, network)
        content = model.SerializeToString()
    preprocessing = conversion.preprocessing(network)
    with sessions.open_session(preprocessing, "the preprocessing") as session:
        starts = [conversion.starting_tensors(session.run, network.starts, feed)
                  for feed in conversion.feeds(image_input, batches)]
    with step("building the quantization simulation", GraphError, _CARD):
        sim = simulation.build(modules, model, settings, path / simulation.CONFIGURATION)
    converted = modules.onnx.ModelProto.FromString(content)
    with step("comparing the ONNX model with the network", GraphError, "use --backend builtin"):
        tensors = Tensors(converted, cut, network, modules.onnx.numpy_helper.to_array)
        joined = joining.join(simulation.states(sim), tensors, network, settings, notes)
        joined = joining.with_same_values(modules, joined, converted, tensors, network, starts[0], notes)
    joined = _overridden(sim, joined, joining.inputs_as_placed(joined, network, settings, notes), settings)
    overrides.check_symmetry([item.ours for item in joined])
    with step("calibrating", DataError, "look at the calibration images and at the weights"):
        sim.compute_encodings(progress.bar(starts, len(starts), "images", "calibrating"))
        found = _encodings(sim, joined)
    _save(modules, sim, folder, content, preprocessing, settings)
    files.write_json(path / simulation.NOTES, notes)
    return Quantization([item.ours for item in joined], found)


def _overridden(sim: Any, joined: Sequence[Joined], wanted: Sequence[Joined], settings: Settings) -> List[Joined]:
    """Apply what is wanted, and the model card's overrides, to the simulation, and give its quantizers then.

    Raises:
        ConfigurationError: An override matches nothing, or would part tensors that share a quantizer.
    """
    changed = overrides.apply([item.ours for item in wanted], settings.overrides)
    for item, after in zip(joined, changed):
        if after != item.ours:
            simulation.change(sim, item.theirs.tensor, after.enabled, after.bitwidth, after.symmetry.symmetric)
    now = {state.tensor: state for state in simulation.states(sim)}
    ours = {item.theirs.tensor: after for item, after in zip(joined, changed)}
    for item, after in zip(joined, changed):
        state = now[item.theirs.tensor]
        if _settings_of(after) != (state.enabled, state.bitwidth, state.symmetry.symmetric):
            tied = [ours[tensor].tensor for tensor in state.tied if tensor in ours]
            raise ConfigurationError(f"{PRODUCT} gives {len(tied)} tensors one quantizer, and the overrides of the "
                                     f"model card would give {after.tensor} another one; override all of them alike: "
                                     f"{', '.join(tied)}")
    return [item._replace(ours=after) for item, after in zip(joined, changed)]


def _settings_of(quantizer: Quantizer) -> Any:
    return quantizer.enabled, quantizer.bitwidth, quantizer.symmetry.symmetric


def _encodings(sim: Any, joined: Sequence[Joined]) -> Encodings:
    found: Dict[str, Tuple[Encoding, ...]] = {}
    for item in joined:
        if item.ours.enabled:
            encodings = simulation.encodings(sim, item.theirs.tensor)
            if encodings is None:
                raise DataError(f"{PRODUCT} saw no values of {item.ours.tensor} while calibrating, so its quantizer "
                                "has no encoding; see that output_ops in the model card name all outputs of the "
                                "network")
            found[item.ours.tensor] = encodings
    return found


def _save(modules: AimetOnnx, sim: Any, folder: Path, content: bytes, preprocessing: tf.GraphDef,
          settings: Settings) -> None:
    path, export = folder / simulation.FOLDER, folder / simulation.EXPORT
    with step("exporting", StorageError, f"see that {folder} can be written and has space"):
        export.mkdir(parents=True, exist_ok=True)
        sim.export(str(export), simulation.PREFIX)
        simulation.save(path, content, sim)
        (path / simulation.PREPROCESSING).write_bytes(preprocessing.SerializeToString(deterministic=True))
        files.write_json(path / simulation.SETTINGS, {
            "scheme": settings.scheme, "param_bitwidth": settings.param_bitwidth,
            "output_bitwidth": settings.output_bitwidth})
