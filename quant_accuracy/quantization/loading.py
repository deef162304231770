"""Encodings out of a file onto a network: only where they are those of its tensors.

That every enabled quantizer has an encoding of its name says little (see `same_tensors`). An export has the graph that
its names come from beside it, `model.meta` beside `model.encodings`, and there every tensor is looked up. A file that
stands alone is believed, except where its ranges are, to the last bit, those of other weights of this network.
"""

from dataclasses import replace
from pathlib import Path
from typing import Callable, List, Optional, Sequence

import tensorflow.compat.v1 as tf
from google.protobuf.message import DecodeError

from quant_accuracy.base.errors import ConfigurationError, QuantAccuracyError, StorageError
from quant_accuracy.quantization import calibrate, encodings_file
from quant_accuracy.quantization.encodings_file import AGAIN, Stored
from quant_accuracy.quantization.records import (
    ACTIVATION,
    GENERATED,
    PARAM,
    TF,
    Encoding,
    Encodings,
    Quantizer,
    Settings,
)
from quant_accuracy.quantization.same_tensors import Tensors, same, with_shapes, without_dropouts

_ENDINGS = (".encodings", ".encodings.yaml", ".encodings.yml", ".encodings.json", ".json", ".yaml", ".yml")
_LAST_BIT = 1e-6
# So many names stand in a note.
_FEW = 4
# What a tensor of nothing but zeros gets.
_SMALLEST_RANGE = 0.0101


def graph_beside(path: Path) -> Optional[Path]:
    """The graph of the export that an encodings file belongs to: the `.meta` of the same name; None without one."""
    for ending in _ENDINGS:
        if path.name.endswith(ending):
            meta = path.with_name(path.name[:-len(ending)] + ".meta")
            if meta.is_file():
                return meta
    return None


def load(settings: Settings, quantizers: Sequence[Quantizer], graph: tf.GraphDef) -> Encodings:
    """The encodings that the settings take from a file, after a check that they are those of a network's tensors.

    Args:
        settings: The settings, which name the file and may take the params of it only.
        quantizers: The quantizers of the network.
        graph: The frozen graph that the quantizers are on, batch norms folded.

    Returns:
        None of them where the settings name no file.

    Raises:
        StorageError: The file, or the graph beside it, cannot be read.
        ConfigurationError: The file is not one of this network: quantizers lack an encoding, or an encoding belongs to
            another tensor.
    """
    if settings.encodings_file is None:
        return {}
    path = settings.encodings_file
    stored = encodings_file.read(path)
    kinds = _kinds(settings)
    meta = graph_beside(path)
    if meta is not None:
        # Before anything is said of names: they may be those of other tensors.
        _require_same(path, meta, [quantizer for quantizer in quantizers if quantizer.kind in kinds
                                   and encodings_file.has(stored, quantizer)], graph)
    stored = _named_here(stored, quantizers, graph, settings)
    found = encodings_file.matching(stored, quantizers, kinds)
    _require_own_weights(path, [quantizer for quantizer in quantizers if quantizer.tensor in found], found, graph,
                         settings)
    return found


def notes(settings: Settings, quantizers: Sequence[Quantizer], graph: Callable[[], tf.GraphDef]) -> List[str]:
    """What is worth a line of a file of encodings: what of it nobody takes here, what could not be checked.

    Args:
        settings: The settings, which may name a file.
        quantizers: The quantizers of the network.
        graph: Gives the graph that they are on.
    """
    path = settings.encodings_file
    if path is None:
        return []
    stored = encodings_file.read(path)
    if encodings_file.left_out(stored, quantizers, _kinds(settings)):
        stored = _named_here(stored, quantizers, graph(), settings)
    return [note for note in (_left_out(settings, stored, quantizers), unchecked(settings)) if note is not None]


def _left_out(settings: Settings, stored: Stored, quantizers: Sequence[Quantizer]) -> Optional[str]:
    names = encodings_file.left_out(stored, quantizers, _kinds(settings))
    if not names:
        return None
    some = ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")
    return (f"{stored.path}: {len(names)} encodings are of tensors that have no enabled quantizer here, and are left "
            f"out: {some}")


def _kinds(settings: Settings) -> List[str]:
    return [PARAM] if settings.params_only else [PARAM, ACTIVATION]


def unchecked(settings: Settings) -> Optional[str]:
    """What cannot be known of a file of encodings, in one line; None where all was checked."""
    path = settings.encodings_file
    if path is None or graph_beside(path) is not None:
        return None
    by_kind = encodings_file.read(path).by_kind
    taken = by_kind[PARAM] if settings.params_only else {**by_kind[PARAM], **by_kind[ACTIVATION]}
    names = [tensor for tensor in taken if GENERATED.match(tensor)]
    if not names:
        return None
    return (f"{path}: {len(names)} encodings are of tensors that folding has numbered ({names[0]} and so on), and that "
            "they are the same tensors here cannot be checked without the graph of the export: leave its model.meta "
            "beside model.encodings")


def _require_same(path: Path, meta: Path, quantizers: Sequence[Quantizer], graph: tf.GraphDef) -> None:
    """Look up every tensor in the graph that the file's names come from."""
    there = Tensors(without_dropouts(_read(meta), [quantizer.tensor for quantizer in quantizers]))
    here = Tensors(with_shapes(graph))
    wrong = []
    for quantizer in quantizers:
        tensor, param = quantizer.tensor, quantizer.kind == PARAM
        if tensor not in there:
            raise ConfigurationError(f"{path}: has an encoding of {tensor!r}, which is not in the graph beside it, "
                                     f"{meta.name}, so the two are not of one export; move the file to a folder of its "
                                     f"own, or {AGAIN}")
        theirs, ours = there.place(tensor, param), here.place(tensor, param)
        if not same(ours, theirs):
            biased = there.biased(tensor, param)
            other = biased and here.bias_of(biased, param)
            wrong.append(f"{tensor!r} is {theirs} there, and {ours} here"
                         f"{f' ({other!r} is what it is there)' if other and other != tensor else ''}")
    if wrong:
        more = f" ({len(wrong) - 1} more of its tensors are others here, too)" if len(wrong) > 1 else ""
        raise ConfigurationError(f"{path}: belongs to another network, as {meta.name} beside it tells: {wrong[0]}"
                                 f"{more}; {AGAIN}")


def _read(path: Path) -> tf.GraphDef:
    meta = tf.MetaGraphDef()
    try:
        meta.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise StorageError(f"{path}: not a readable MetaGraphDef ({error}), and the names of the encodings beside it "
                           f"are those of its graph; copy the whole export again, or {AGAIN}") from error
    if not meta.graph_def.node:
        raise StorageError(f"{path}: holds no graph, and the names of the encodings beside it are those of its graph; "
                           f"copy the whole export again, or {AGAIN}")
    return meta.graph_def


def _named_here(stored: Stored, quantizers: Sequence[Quantizer], graph: tf.GraphDef, settings: Settings) -> Stored:
    """The file with the weights that a converter to ONNX named called as they are here.

    A converter transposes the weights of depthwise convolutions, and gives what comes of it a name of its own. Where
    one such encoding, and no other, is that of one of the weights that lack theirs, it is that one's.
    """
    given = stored.by_kind[PARAM]
    lacking = [quantizer for quantizer in quantizers if quantizer.kind == PARAM and quantizer.enabled
               and not encodings_file.has(stored, quantizer)]
    made = {name: encodings for name, encodings in given.items() if encodings_file.OF_CONVERTER.search(name)}
    own = _own(graph, lacking, settings) if lacking and made else {}
    names = {}
    for tensor, wanted in own.items():
        alike = [name for name, encodings in made.items() if _of_same_values(encodings, wanted)]
        if len(alike) == 1 and alike[0] not in names:
            names[alike[0]] = tensor
    return stored.with_names(names)


def _own(graph: tf.GraphDef, params: Sequence[Quantizer], settings: Settings) -> Encodings:
    """The encodings that the weights of this network give; none where they are no values here."""
    try:
        return calibrate.calibrate_params(graph, params, replace(settings, scheme=TF))
    except QuantAccuracyError:
        return {}


def _require_own_weights(path: Path, quantizers: Sequence[Quantizer], given: Encodings, graph: tf.GraphDef,
                         settings: Settings) -> None:
    """Refuse the encoding of a param that is, to the last bit, that of another param, and not its own.

    Weights that were trained on have ranges of their own, and agree with none.
    """
    params = [quantizer for quantizer in quantizers if quantizer.kind == PARAM]
    own = _own(graph, params, settings)
    for quantizer in params if own else []:
        tensor, encodings = quantizer.tensor, given[quantizer.tensor]
        if not _equal(encodings, own[tensor]) and any(e.maximum - e.minimum > _SMALLEST_RANGE for e in encodings):
            other = next((name for name in own if _equal(encodings, own[name])), None)
            if other is not None:
                raise ConfigurationError(f"{path}: the encoding of {tensor!r}, {_range(encodings)}, is that of "
                                         f"{other!r} of this network, and the weights of {tensor!r} give "
                                         f"{_range(own[tensor])}: its names were mixed up; {AGAIN}")


def _equal(some: Sequence[Encoding], others: Sequence[Encoding]) -> bool:
    """Whether encodings have the same ranges, to the last bit of a float32."""
    return len(some) == len(others) and all(
        abs(a.minimum - b.minimum) + abs(a.maximum - b.maximum) <= _LAST_BIT * (b.maximum - b.minimum)
        for a, b in zip(some, others))


def _of_same_values(theirs: Sequence[Encoding], ours: Sequence[Encoding]) -> bool:
    """Whether encodings can be of the same weights.

    Symmetric ones have one step more below zero than above. AIMET 1.19 makes the steps so that the larger side,
    whichever it is, fits above; AIMET 2 so that each fits on its own side: narrower steps if the larger one is below.
    """
    def same(a: Encoding, b: Encoding) -> bool:
        half = 2 ** (b.bitwidth - 1)
        scales = [b.scale, b.scale * (half - 1) / half] if b.symmetric else [b.scale]
        return (a.offset, a.bitwidth) == (b.offset, b.bitwidth) \
            and any(abs(a.scale - scale) <= _LAST_BIT * scale for scale in scales)

    return len(theirs) == len(ours) and all(map(same, theirs, ours))


def _range(encodings: Sequence[Encoding]) -> str:
    first, more = encodings[0], len(encodings) - 1
    return f"{first.minimum:.6g} .. {first.maximum:.6g}{f' and {more} more' if more else ''}"
