"""From a checkpoint to AIMET's quantizers and encodings."""

import contextlib
from pathlib import Path
from typing import Any, Optional, Sequence

import tensorflow.compat.v1 as tf

from quant_accuracy.base import checkpoint_parts
from quant_accuracy.base.errors import DataError, GraphError
from quant_accuracy.base.graph_names import GraphNames
from quant_accuracy.graph.network import Network
from quant_accuracy.quantization import both_aimets, overrides
from quant_accuracy.quantization.aimet import batching, calibration, joining, simulation
from quant_accuracy.quantization.aimet.installation import Aimet, load_modules, require
from quant_accuracy.quantization.aimet.workspace import step, workspace
from quant_accuracy.quantization.calibrate import Batch
from quant_accuracy.quantization.records import AIMET, Encodings, Quantization, Settings

_BITWIDTHS = range(4, 33)


def build(checkpoint: Path, network: Network, names: GraphNames, settings: Settings, config_file: Optional[Path],
          batches: Sequence[Batch], folder: Path, simulate: bool, batched: bool = True) -> Quantization:
    """Fold, place, calibrate and export with AIMET; the encodings are those of its export.

    Quantizers and encodings are named after the tensors of `network`; what is written to `folder` has AIMET's names.

    Args:
        checkpoint: Prefix of the checkpoint's files.
        network: The same checkpoint's network as this project folds it, in a frozen graph.
        names: The graph's ops.
        settings: Scheme, bit widths and overrides.
        config_file: The quantizer configuration, the one that `settings` was read from; None for AIMET's default.
        batches: Calibration images, uint8 [batch, height, width, 3], or values for each of several placeholders.
        folder: Gets AIMET's export in `export`, and for `open_network` its checkpoint in `aimet`.
        simulate: Whether the network is to be run; otherwise `folder` gets nothing, which is much faster.
        batched: Collect what AIMET does to variables of quantizers, which is much faster and changes nothing.

    Raises:
        ConfigurationError: AIMET is not installed, cannot be loaded, or does not take the settings.
        CheckpointError: A file of the checkpoint is missing.
        GraphError: AIMET failed on the graph, or made another network of it than `network`.
        DataError: There are no images, or AIMET failed on them or saw no values of a quantizer's tensor.
        StorageError: The folder cannot be written.
    """
    require()
    both_aimets.check_bitwidths(settings, _BITWIDTHS, "AIMET")
    if len(batches) == 0:
        raise DataError("there are no calibration images; name shards that hold some")
    meta = checkpoint_parts.checkpoint_files(checkpoint)[0]
    modules = load_modules()
    with workspace(modules), contextlib.ExitStack() as stack:
        if batched:
            stack.enter_context(batching.sessions(modules))
        with step("restoring the checkpoint", GraphError, "export the checkpoint again"):
            session = stack.enter_context(contextlib.closing(simulation.restored(meta, checkpoint, names)))
        with step("folding batch norms", GraphError, "correct starting_op and output_ops in the model card, "
                                                     "or use --backend builtin"):
            folded, _ = modules.batch_norm_fold.fold_all_batch_norms(session, list(names.starting_ops),
                                                                     list(names.output_ops))
            stack.callback(folded.close)
            # AIMET puts its quantize ops into this very graph.
            graph = folded.graph.as_graph_def(add_shapes=True)
        with step("building the quantization simulation", GraphError,
                  "correct the model card or the quantizer configuration, or use --backend builtin"):
            sim = simulation.build(modules, folded, names, settings, config_file)
            stack.callback(sim.session.close)
            placed = simulation.quantizers(modules, sim, names)
        joined = joining.with_reasons(joining.join(placed, graph, network), network, settings)
        if settings.simulator != AIMET:
            with step("comparing its weights", GraphError, "use --backend builtin"):
                joining.require_weights(joined, graph, sim.session.run, network.graph)
        joined = simulation.overridden(sim, joined, settings.overrides)
        overrides.check_symmetry([item.ours for item in joined])
        encodings = _encodings(modules, sim, joined, names, batches, folder if simulate else None)
    return Quantization([item.ours for item in joined], joining.named_here(joined, encodings))


def _encodings(modules: Aimet, sim: Any, joined: Sequence[joining.Joined], names: GraphNames, batches: Sequence[Batch],
               folder: Optional[Path]) -> Encodings:
    """Calibrate, and where there is a folder, leave a simulation there that can be run."""
    quantizers = [item.theirs for item in joined]

    def forward(session: tf.Session) -> None:
        calibration.run(session, names, batches)

    if folder is None:
        return calibration.calibrate(modules, sim, quantizers, forward)
    return calibration.calibrate_and_save(modules, sim, quantizers, forward, folder)
