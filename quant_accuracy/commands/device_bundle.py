"""Write what a board needs: inputs in their order, the list of them, the network, its encodings, and a manifest.

    quant-accuracy device-bundle BUNDLE --model mine --shards 0-3

The board runs the network on each line of BUNDLE/input_list.txt; what it leaves (Result_<n>/<output>.raw) is judged by
`quant-accuracy report --device-outputs DIR`.
"""

import argparse
import shlex
from pathlib import Path
from typing import Any, List, Mapping, Optional

from quant_accuracy.base import command_line, invocation
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.settings import folders, options
from quant_accuracy.settings import request as requests
from quant_accuracy.settings.values import Values, from_environment

_INPUT_TYPES = ("float32", "uint8")


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy device-bundle", description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder for the bundle")
    parser.add_argument("--input-type", choices=_INPUT_TYPES, default="float32", help="what inputs hold: float32, the "
                        "preprocessed image that the network takes; or uint8, the resized image itself, for a model "
                        "whose input is quantized (default float32)")
    options.declare(parser, options.BUNDLE_OPTIONS)
    typed = vars(parser.parse_args(arguments))
    folder, input_type = typed.pop("folder"), typed.pop("input_type")
    values = Values(typed, from_environment(options.BUNDLE_OPTIONS))
    return command_line.exit_status(lambda: _bundle(values, folder, input_type, same_options(typed)))


def same_options(typed: Mapping[str, Any]) -> str:
    """The options that were typed, as the report of the same model and images takes them: ` --model mine`."""
    words: List[str] = []
    for option in options.BUNDLE_OPTIONS:
        value = typed.get(option.key)
        for each in value or [] if option.many else [value]:
            if each is not None:
                words += [option.flag, shlex.quote(str(each))] if option.metavar else [option.flag]
    return "".join(f" {word}" for word in words)


def _bundle(values: Values, folder: Path, input_type: str, same: str) -> int:
    from quant_accuracy.demo import ready
    from quant_accuracy.settings import preflight

    preflight.check_bundle(folder)
    with folders.without_cache(requests.expanded(values)) as kept:
        wanted, cache = requests.resolve(kept, ready.data_paths)
        if len(wanted) > 1:
            raise ConfigurationError(f"--model: a bundle is of one model, and {len(wanted)} are named "
                                     f"({', '.join(request.card.name for request in wanted)}); name one")
        preflight.check(wanted[0])
        # TensorFlow takes seconds to import: not before the options are known to be right.
        from quant_accuracy.device.exchange import bundle
        from quant_accuracy.pipeline import bundled
        from quant_accuracy.pipeline.prepared import prepare

        found = bundle.write(folder, bundled.job(prepare(wanted[0], cache), input_type))
    inputs = ", ".join(f"{tensor.name} {list(tensor.shape)}" for tensor in found.inputs)
    shards = f"{len(found.shards)} shard{'' if len(found.shards) == 1 else 's'}"
    print(f"{len(found.images)} images of {shards} in {folder}: {inputs}, {found.input_type}, NHWC")
    print(f"outputs: {', '.join(f'{tensor.name} {list(tensor.shape)}' for tensor in found.outputs)}, float32")
    print(f"\nnext: run the network on each line of {folder / 'input_list.txt'} on the device, copy what it wrote to "
          f"{folder / 'output'}, and\n  {invocation.command('report')}{same} --device-outputs "
          f"{shlex.quote(str(folder / 'output'))}")
    return command_line.MEASURED
