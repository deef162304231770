"""What a bundle for a board is of, and what it is made of, where an evaluation is prepared."""

from quant_accuracy.base import checkpoint_parts, files
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.base.words import NETWORK, TFLITE
from quant_accuracy.data import images
from quant_accuracy.device import contract, tflite_inputs
from quant_accuracy.device.exchange import manifest
from quant_accuracy.device.exchange.bundle import Job
from quant_accuracy.device.exchange.manifest import Subject
from quant_accuracy.graph.network import Network
from quant_accuracy.pipeline.prepared import Prepared

_ENCODINGS_FILE = "model.encodings"


def subject(prepared: Prepared) -> Subject:
    """What a bundle is of, or has to be of, apart from the images."""
    request, names = prepared.request, prepared.request.card.graph
    checkpoint = request.card.quantized_checkpoint or request.data.checkpoint
    parts = checkpoint_parts.checkpoint_files(checkpoint)
    return Subject(request.card.name,
                   {path.name[len(checkpoint.name):]: files.digest_file(path) for path in parts},
                   files.digest_file(prepared.artifacts.quantsim_folder / _ENCODINGS_FILE),
                   tuple(names.starting_ops), tuple(names.output_ops),
                   images.preprocessing(request.card.height, request.card.width),
                   (request.card.height, request.card.width))


def job(prepared: Prepared, input_type: str) -> Job:
    """What a bundle of the evaluated shards is made of.

    Raises:
        ConfigurationError: The integer model that is given along does not take the image itself, which was asked for.
    """
    card, artifacts, device = prepared.request.card, prepared.artifacts, prepared.artifacts.device
    if device is not None and device.kind == TFLITE and input_type == manifest.UINT8:
        grids = [item.tensor for item in tflite_inputs.read(device.folder) if not item.pixels]
        if grids:
            raise ConfigurationError(f"--input-type {input_type}: {grids[0]} has a quantizer, so the integer model "
                                     f"takes steps of its grid and not the image; use {manifest.FLOAT32}")
    return Job(subject(prepared), Network.of(artifacts.graph(NETWORK), card.graph), card.graph.image_input,
               artifacts.quantsim_folder / _ENCODINGS_FILE, prepared.shards, prepared.digests, input_type,
               [] if device is None else [device.folder / contract.of(device.kind).model])
