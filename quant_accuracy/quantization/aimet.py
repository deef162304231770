"""The real AIMET for TensorFlow 1.15 behind the simulators' seam: every call into it is here.

Names of AIMET 1.19.1 that this module relies on:

- `aimet_tensorflow.quantsim`
    - `QuantizationSimModel(session, starting_op_names: List[str], output_op_names: List[str], quant_scheme: str,
      rounding_mode: str, default_output_bw: int, default_param_bw: int, use_cuda: bool, config_file: Optional[str])`
        - `.session`, a new one
        - `.compute_encodings(forward_pass_callback(session, args), forward_pass_callback_args)`
        - `.export(path: str, filename_prefix: str)`
        - `.quantizer_config(quant_op_name: str) -> QuantizerInfo`
        - `._param_quantizers`, `._activation_quantizers`: `Dict[str, QuantizerInfo]` by the name of the quantize op
    - `save_checkpoint(quantsim, meta_path: str, file_name_prefix: str)`
    - `load_checkpoint(meta_path: str, file_name_prefix: str) -> QuantizationSimModel`
    - `WORKING_DIR: str`, with a slash at its end; read at each use
- `aimet_tensorflow.quantizer_info.QuantizerInfo`
    - `.compute_encoding(bitwidth: int, use_symmetric_encodings: bool) -> libpymo.TfEncoding` (`.min`, `.max`)
    - `.is_encoding_valid() -> bool`
    - `.use_strict_symmetric: bool`, `.use_unsigned_symmetric: bool`, read
    - `.bitwidth: int`, `.use_symmetric_encoding: bool`, `.enabled: bool`, set, and only to another value
- `aimet_tensorflow.batch_norm_fold`
    - `fold_all_batch_norms(sess, input_op_names: List[str], output_op_names: List[str]) -> Tuple[Session, List]`
    - `save_and_load_graph(meta_path: str, sess) -> Session`, as a name of that module
- `aimet_tensorflow.utils.constants.QuantizeOpIndices`: `.op_mode`, `.bit_width`, `.use_symmetric_encoding`, inputs of a
  quantize op; its input 0 is the tensor
- `aimet_common.quantsim`
    - `gate_min_max(min_val: float, max_val: float) -> Tuple[float, float]`
    - `calculate_delta_offset(min_val: float, max_val: float, bitwidth: int) -> Tuple[float, float]`
- `aimet_common.utils.AimetLogger.LogAreas`: an enum whose values are names of loggers
- `libpymo.TensorQuantizerOpMode.passThrough`

Quantize ops are named `<op>_quantized`.
"""

import contextlib
import importlib
import importlib.util
import logging
import os
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple, Type

import filelock
import importlib_metadata
import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.base import files, progress
from quant_accuracy.base.errors import (
    ConfigurationError,
    DataError,
    GraphError,
    QuantAccuracyError,
    StorageError,
    first_line,
)
from quant_accuracy.graph import load, prune, sessions
from quant_accuracy.graph.names import GraphNames
from quant_accuracy.quantization import encodings_file, overrides
from quant_accuracy.quantization.configuration import BIAS, WEIGHT
from quant_accuracy.quantization.records import (
    ACTIVATION,
    INPUT,
    OUTPUT,
    PARAM,
    Encoding,
    Encodings,
    Override,
    Quantizer,
    Settings,
    Symmetry,
)

KNOWN = "1.19"
WHEELS = "https://github.com/quic/aimet/releases/tag/1.19.1.py37"

_DISTRIBUTIONS = ("AimetTensorflow", "AimetCommon")
_PLACEHOLDER = "aimet-tensorflow"
_INSTALL = (f"install the wheels AimetCommon and AimetTensorflow from {WHEELS} (pip install --no-deps, and "
            "jsonschema), or use --backend builtin")
_ELSE = "AIMET wrote it so: look at the calibration images and at the weights, or use --backend builtin"
_BITWIDTHS = range(4, 33)
_EXPORT, _CHECKPOINT, _PREFIX = "export", "aimet", "model"


@dataclass(frozen=True)
class Built:
    """What AIMET made of a checkpoint.

    Attributes:
        quantizers: Every quantizer, in the order in which the network runs.
        encodings: The encodings of the enabled ones, by tensor name, as AIMET's export writes them.
    """

    quantizers: List[Quantizer]
    encodings: Encodings


class _Aimet(NamedTuple):
    """AIMET's modules."""

    quantsim: Any
    batch_norm_fold: Any
    constants: Any
    common: Any
    libpymo: Any


def installed() -> Optional[str]:
    """The version of the AIMET that is installed, `unknown` where it does not say; None where there is none.

    The package `aimet-tensorflow` of the public Python index is a placeholder without code and does not count.
    """
    if not _has_code("aimet_tensorflow.quantsim"):
        return None
    for name in _DISTRIBUTIONS:
        # The wheels' versions carry the variant, `tf-gpu-1.19.1.py37` say.
        number = re.search(r"\d+(\.\d+)+", _distribution(name) or "")
        if number:
            return number.group()
    return "unknown"


def require() -> str:
    """The version of the AIMET that is installed, with a warning where it is not one that is known to work.

    Raises:
        ConfigurationError: AIMET is not installed.
    """
    version = installed()
    if version is None:
        if _distribution(_PLACEHOLDER) is not None or _has_code("aimet_tensorflow"):
            raise ConfigurationError("AIMET is not installed: the package aimet-tensorflow of the public Python index "
                                     f"is a placeholder without code; uninstall it and {_INSTALL}")
        raise ConfigurationError(f"AIMET is not installed; {_INSTALL}")
    if not (version + ".").startswith(KNOWN + "."):
        progress.say(f"warning: AIMET {version} is installed, but {KNOWN} is what is known to work; "
                     f"if it fails, {_INSTALL}")
    return version


def build(checkpoint: Path, names: GraphNames, settings: Settings, config_file: Optional[Path],
          batches: Sequence[np.ndarray], folder: Path, simulate: bool) -> Built:
    """Fold, place, calibrate and export with AIMET.

    Args:
        checkpoint: Prefix of the checkpoint's files.
        names: The graph's ops.
        settings: Scheme, bit widths and overrides.
        config_file: The quantizer configuration, the one that `settings` was read from; None for AIMET's default.
        batches: Calibration images, uint8 [batch, height, width, 3].
        folder: Gets AIMET's export in `export`, and for `open_network` its checkpoint in `aimet`.
        simulate: Whether the network is to be run; otherwise `folder` gets nothing, which is much faster.

    Raises:
        ConfigurationError: AIMET is not installed, cannot be loaded, or does not take the settings.
        CheckpointError: A file of the checkpoint is missing.
        GraphError: AIMET failed on the graph.
        DataError: There are no images, or AIMET failed on them or saw no values of a quantizer's tensor.
        StorageError: The folder cannot be written.
    """
    require()
    _check_bitwidths(settings)
    if len(batches) == 0:
        raise DataError("there are no calibration images; name shards that hold some")
    meta = load.checkpoint_files(checkpoint)[0]
    aimet = _modules()
    with _workspace(aimet), contextlib.ExitStack() as stack:
        with _step("restoring the checkpoint", GraphError, "export the checkpoint again"):
            session = stack.enter_context(contextlib.closing(_restored(meta, checkpoint, names)))
        with _step("folding batch norms", GraphError, "correct starting_op and output_ops in the model card, "
                                                      "or use --backend builtin"):
            folded, _ = aimet.batch_norm_fold.fold_all_batch_norms(session, [names.starting_op], list(names.output_ops))
            stack.callback(folded.close)
        with _step("building the quantization simulation", GraphError,
                   "correct the model card or the quantizer configuration, or use --backend builtin"):
            sim = _simulation(aimet, folded, names, settings, config_file)
            stack.callback(sim.session.close)
            quantizers = _overridden(sim, _quantizers(aimet, sim, names), settings.overrides)
        overrides.check_symmetry(quantizers)

        def forward(session: tf.Session) -> None:
            _run_all(session, names, batches)

        if simulate:
            encodings = _calibrate_and_save(aimet, sim, quantizers, forward, folder)
        else:
            encodings = _calibrate(aimet, sim, quantizers, forward)
    return Built(quantizers, encodings)


@contextlib.contextmanager
def open_network(folder: Path, names: GraphNames) -> Iterator[Callable[[np.ndarray], List[np.ndarray]]]:
    """A function from uint8 images [n, height, width, 3] to the network's quantized outputs, for any thread.

    Args:
        folder: The folder that `build` filled.
        names: The graph's ops; the outputs come in the order of its output ops.

    Raises:
        ConfigurationError: AIMET is not installed or cannot be loaded.
        StorageError: The folder's files are missing or damaged.
    """
    require()
    path = folder / _CHECKPOINT
    if not (path / f"{_PREFIX}.meta").is_file():
        raise StorageError(f"{path}/{_PREFIX}.meta: no such file; delete {folder}, it will be made again")
    aimet = _modules()
    with _step("loading the quantization simulation", StorageError, f"delete {folder}, it will be made again"):
        # The quantize ops hold the addresses of objects that belong to `sim`: it has to outlive the session.
        sim = aimet.quantsim.load_checkpoint(str(path), _PREFIX)
    with contextlib.closing(sim.session):
        fetches = _fetches(sim.session.graph, names.output_ops)
        session = sessions.GraphSession(sim.session, "AIMET's simulation")
        # Each run adds to the statistics of the weights' quantizers, which are not made for two threads.
        lock = threading.Lock()

        def run(images: np.ndarray) -> List[np.ndarray]:
            with lock:
                return list(session.run(fetches, {f"{names.image_input}:0": images}))

        yield run


def _spec(module: str) -> Optional[Any]:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def _has_code(module: str) -> bool:
    spec = _spec(module)
    return spec is not None and bool(spec.has_location)


def _distribution(name: str) -> Optional[str]:
    try:
        return importlib_metadata.version(name)
    except importlib_metadata.PackageNotFoundError:
        return None


def _modules() -> _Aimet:
    try:
        with _logging_kept():
            areas = importlib.import_module("aimet_common.utils").AimetLogger.LogAreas
            modules = _Aimet(importlib.import_module("aimet_tensorflow.quantsim"),
                             importlib.import_module("aimet_tensorflow.batch_norm_fold"),
                             importlib.import_module("aimet_tensorflow.utils.constants"),
                             importlib.import_module("aimet_common.quantsim"),
                             importlib.import_module("libpymo"))
    except Exception as error:  # a missing shared library is TensorFlow's NotFoundError, libpymo an ImportError
        raise ConfigurationError(f"AIMET cannot be loaded ({first_line(error)}); its libraries come with AimetCommon: "
                                 f"put {_libraries()} on PYTHONPATH and on LD_LIBRARY_PATH before Python "
                                 "starts") from error
    for area in areas:
        logger = logging.getLogger(area.value)
        logger.handlers.clear()  # they write to the standard output, which belongs to reports
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    return modules


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo what AIMET's import does to the root logger: it takes its handlers away and sends all to standard output."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)


def _libraries() -> str:
    spec = _spec("aimet_common")
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return os.path.join(places[0] if places else "site-packages/aimet_common", "x86_64-linux-gnu")


@contextlib.contextmanager
def _step(label: str, kind: Type[QuantAccuracyError], remedy: str) -> Iterator[None]:
    """Announce a step, and turn whatever AIMET raises in it into one of this project's errors."""
    progress.say(f"AIMET: {label} ...")
    try:
        yield
    except QuantAccuracyError:
        raise
    except Exception as error:
        name, said = type(error).__name__, first_line(error)
        said = said if said == name else f"{name}: {said}"
        raise kind(f"AIMET failed while {label} ({said}); {remedy}") from error


@contextlib.contextmanager
def _workspace(aimet: _Aimet) -> Iterator[None]:
    """Keep AIMET's files out of other processes' way.

    It has one working folder for all processes of the machine, and leaves its folded graphs in the current folder for a
    moment. Both are moved into a private folder; the lock is for a version whose names are others.
    """
    save_and_load = getattr(aimet.batch_norm_fold, "save_and_load_graph", None)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_lock())
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="quant-accuracy-aimet-"))
        if hasattr(aimet.quantsim, "WORKING_DIR"):
            stack.enter_context(_replaced(aimet.quantsim, "WORKING_DIR", os.path.join(scratch, "")))
        if save_and_load is not None:
            stack.enter_context(_replaced(
                aimet.batch_norm_fold, "save_and_load_graph",
                lambda path, session: save_and_load(os.path.join(scratch, os.path.basename(path)), session)))
        yield


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"quant-accuracy-aimet-{os.getuid()}.lock"
    lock = filelock.FileLock(str(path))
    with files.storage_errors(path):
        try:
            held = lock.acquire(timeout=0)
        except filelock.Timeout:
            progress.say("AIMET: waiting for another process that builds with it ...")
            held = lock.acquire()
    with held:
        yield


@contextlib.contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, original)


def _check_bitwidths(settings: Settings) -> None:
    widths = [("param_bitwidth", settings.param_bitwidth), ("output_bitwidth", settings.output_bitwidth)]
    widths += [(f"the bitwidth of {item.tensors}", item.bitwidth) for item in settings.overrides if item.bitwidth]
    for key, bits in widths:
        if bits not in _BITWIDTHS:
            raise ConfigurationError(f"{key} is {bits}, and AIMET takes {_BITWIDTHS.start} to {_BITWIDTHS.stop - 1}; "
                                     "change it with --default-param-bw or --default-output-bw, or in the model card, "
                                     "or use --backend builtin")


def _restored(meta: Path, checkpoint: Path, names: GraphNames) -> tf.Session:
    pruned = prune.prune_meta_graph(tf.MetaGraphDef.FromString(meta.read_bytes()), names.output_ops)
    with tf.Graph().as_default() as graph:
        saver = tf.train.import_meta_graph(pruned, clear_devices=True)
    session = tf.Session(graph=graph, config=_session_config())
    try:
        saver.restore(session, str(checkpoint))
    except BaseException:
        session.close()
        raise
    return session


def _session_config() -> tf.ConfigProto:
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True  # AIMET's own sessions want memory of the same device
    return config


def _simulation(aimet: _Aimet, session: tf.Session, names: GraphNames, settings: Settings,
                config_file: Optional[Path]) -> Any:
    return aimet.quantsim.QuantizationSimModel(
        session, [names.starting_op], list(names.output_ops), quant_scheme=settings.scheme, rounding_mode="nearest",
        default_output_bw=settings.output_bitwidth, default_param_bw=settings.param_bitwidth,
        use_cuda=bool(tf.test.is_gpu_available(cuda_only=True)),
        config_file=None if config_file is None else str(config_file))


def _fetches(graph: tf.Graph, outputs: Sequence[str]) -> List[str]:
    """The outputs behind their quantizers: `<output>:0` itself is the tensor before."""
    names = {op.name for op in graph.get_operations()}
    return [f"{output}_quantized:0" if f"{output}_quantized" in names else f"{output}:0" for output in outputs]


def _quantizers(aimet: _Aimet, sim: Any, names: GraphNames) -> List[Quantizer]:
    graph = sim.session.graph
    kinds = {**dict.fromkeys(sim._param_quantizers, PARAM), **dict.fromkeys(sim._activation_quantizers, ACTIVATION)}
    order = _run_order(graph, _fetches(graph, names.output_ops))
    ops = [graph.get_operation_by_name(name) for name in sorted(kinds, key=lambda name: order.get(name, len(order)))]
    index = aimet.constants.QuantizeOpIndices
    # One run for all: QuantizerInfo's own properties take a run for each quantizer and property.
    states = sim.session.run([(op.inputs[index.op_mode], op.inputs[index.bit_width],
                               op.inputs[index.use_symmetric_encoding]) for op in ops])
    off = int(aimet.libpymo.TensorQuantizerOpMode.passThrough)
    found = []
    for op, (mode, bits, symmetric) in zip(ops, states):
        info, kind = sim.quantizer_config(op.name), kinds[op.name]
        symmetry = Symmetry(bool(symmetric), bool(info.use_strict_symmetric), bool(info.use_unsigned_symmetric))
        found.append(Quantizer(op.name, op.inputs[0].name, kind, int(bits), symmetry, int(mode) != off, "AIMET",
                               _role(op, kind, names)))
    return found


def _role(op: tf.Operation, kind: str, names: GraphNames) -> str:
    if kind == PARAM:
        return BIAS if any(reader.type == "BiasAdd" for reader in op.outputs[0].consumers()) else WEIGHT
    source = op.inputs[0].op.name
    return INPUT if source == names.starting_op else OUTPUT if source in names.output_ops else ""


def _overridden(sim: Any, quantizers: Sequence[Quantizer], wanted: Sequence[Override]) -> List[Quantizer]:
    """Apply the model card's overrides to the simulation, and give what its quantizers are then."""
    changed = overrides.apply(quantizers, wanted)
    for before, after in zip(quantizers, changed):
        info = sim.quantizer_config(before.name)
        # AIMET fails on being told to enable what is enabled.
        if after.enabled != before.enabled:
            info.enabled = after.enabled
        if after.bitwidth != before.bitwidth:
            info.bitwidth = after.bitwidth
        if after.symmetry != before.symmetry:
            info.use_symmetric_encoding = after.symmetry.symmetric
    return changed


def _run_order(graph: tf.Graph, fetches: Sequence[str]) -> Dict[str, int]:
    """The ops that the fetches need, each behind those that it needs itself."""
    order: Dict[str, int] = {}
    seen: Set[str] = set()
    stack: List[Tuple[tf.Operation, bool]] = [(graph.get_tensor_by_name(name).op, False) for name in reversed(fetches)]
    while stack:
        op, ready = stack.pop()
        if ready:
            order[op.name] = len(order)
        elif op.name not in seen:
            seen.add(op.name)
            stack.append((op, True))
            stack.extend((tensor.op, False) for tensor in reversed(list(op.inputs)))
    return order


def _run_all(session: tf.Session, names: GraphNames, batches: Sequence[np.ndarray]) -> None:
    fetches = _fetches(session.graph, names.output_ops)
    for batch in progress.bar(batches, len(batches), "batches", "calibrating"):
        session.run(fetches, {f"{names.image_input}:0": batch})


def _calibrate(aimet: _Aimet, sim: Any, quantizers: Sequence[Quantizer],
               forward: Callable[[tf.Session], None]) -> Encodings:
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
                    encodings[quantizer.tensor] = (_as_exported(aimet, found, quantizer),)
    return _complete(quantizers, encodings)


def _as_exported(aimet: _Aimet, found: Any, quantizer: Quantizer) -> Encoding:
    minimum, maximum = aimet.common.gate_min_max(found.min, found.max)
    scale, offset = aimet.common.calculate_delta_offset(minimum, maximum, quantizer.bitwidth)
    return Encoding(float(minimum), float(maximum), float(scale), int(offset), quantizer.bitwidth,
                    quantizer.symmetry.symmetric)


def _calibrate_and_save(aimet: _Aimet, sim: Any, quantizers: Sequence[Quantizer],
                        forward: Callable[[tf.Session], None], folder: Path) -> Encodings:
    with _calibration():
        sim.compute_encodings(lambda session, _: forward(session), None)
    with files.storage_errors(folder):
        for name in (_EXPORT, _CHECKPOINT):
            (folder / name).mkdir(parents=True, exist_ok=True)
    with _step("exporting", StorageError, f"see that {folder} can be written and has space"):
        # The export copies a file of the working folder that the next simulation would overwrite.
        sim.export(str(folder / _EXPORT), _PREFIX)
        encodings = _complete(quantizers, encodings_file.read(folder / _EXPORT / f"{_PREFIX}.encodings", _ELSE).all())
    with _step("saving the simulation", StorageError, f"see that {folder} can be written and has space"):
        aimet.quantsim.save_checkpoint(sim, str(folder / _CHECKPOINT), _PREFIX)
    return encodings


def _calibration() -> ContextManager[None]:
    return _step("calibrating", DataError, "look at the calibration images and at the weights")


def _complete(quantizers: Sequence[Quantizer], encodings: Encodings) -> Encodings:
    """The encodings of the enabled quantizers, each of which has to have one."""
    enabled = [quantizer.tensor for quantizer in quantizers if quantizer.enabled]
    for tensor in enabled:
        if tensor not in encodings:
            raise DataError(f"AIMET saw no values of {tensor} while calibrating, so its quantizer has no encoding; "
                            "see that output_ops in the model card name all outputs of the network")
    return {tensor: encodings[tensor] for tensor in enabled}
