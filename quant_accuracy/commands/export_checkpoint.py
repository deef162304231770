"""Turn a training checkpoint into the evaluation checkpoint that gets quantized.

    quant-accuracy export-checkpoint --pipeline-config DIR/pipeline.config --checkpoint DIR/model.ckpt --output OUT

makes OUT/model.ckpt.{meta,index,data-*} and OUT/frozen_inference_graph.pb. A graph_rewriter block in the
pipeline.config is dropped; moving averages are taken where its eval_config has use_moving_averages: true.
"""

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from quant_accuracy.base import checkpoint_parts, command_line, progress
from quant_accuracy.base.errors import ConfigurationError


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy export-checkpoint", description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline-config", type=Path, required=True, metavar="FILE",
                        help="the model's pipeline.config")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="PREFIX",
                        help="prefix of the training checkpoint")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    values = parser.parse_args(arguments)
    return command_line.exit_status(lambda: _export(values))


def _export(values: argparse.Namespace) -> int:
    from quant_accuracy.preparation import needs

    needs.check("export-checkpoint")
    if not values.pipeline_config.exists():
        raise ConfigurationError(f"{values.pipeline_config}: no such file; name the pipeline.config of the checkpoint")
    trained = checkpoint_parts.training_prefix(values.checkpoint)
    with progress.step(f"exporting {trained}"):
        # object_detection takes seconds to import: not before the options are known to be right.
        from quant_accuracy.preparation import checkpoint

        exported = checkpoint.export(values.pipeline_config, trained, values.output)
    print(f"restored {exported.variables} variables, {exported.averaged} of them from moving averages")
    if exported.passed_over:
        print(f"the checkpoint holds moving averages of {exported.passed_over} of them, which were not taken: "
              "eval_config of pipeline.config has no use_moving_averages: true", file=sys.stderr)
    print(f"--model-checkpoint {exported.prefix}")
    print(f"frozen graph: {exported.frozen}")
    return command_line.MEASURED
