"""AIMET's reads and writes of its quantizers' variables, collected: the same values in far fewer runs.

AIMET 1.19 initialises, sets and reads each variable of a quantizer in a `session.run` of its own. That makes thousands
of runs, and TensorFlow prepares and optimizes the whole graph for each that it has not seen before. A session of this
module puts off what only sets such variables until the next run that is anything else, and reads them all at once.

Only what is recognised by the ops themselves is treated so: an `Assign` of a constant, or of one fed value, to a
variable that is called `<quantize op>_op_mode` and the like, and reads of such variables. All else, and with it another
version of AIMET that goes about it otherwise, runs at once, behind what was put off.
"""

import contextlib
import re
import threading
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.quantization.aimet.installation import Aimet

_VARIABLE = re.compile(
    r"_quantized_(op_mode|quant_ref|encoding_min|encoding_max|bit_width|use_symmetric_encoding)$")
# The names that a module has are those of the process: one block at a time.
_ONE_AT_A_TIME = threading.RLock()


class CollectingSession(tf.Session):
    """A session that collects what is done to variables of quantizers; to be used by one thread.

    `tf.Session.run` is as it was but for when these variables are written. `settle` ends that.

    Args:
        target: As for `tf.Session`.
        graph: As for `tf.Session`.
        config: As for `tf.Session`.
    """

    def __init__(self, target: str = "", graph: Optional[tf.Graph] = None,
                 config: Optional[tf.ConfigProto] = None) -> None:
        super().__init__(target, graph, config)
        self._collects = True
        self._initialised: Dict[str, tf.Operation] = {}
        self._set: Dict[str, Tuple[tf.Operation, np.ndarray]] = {}
        self._known: Dict[str, Any] = {}

    def run(self, fetches: Any, feed_dict: Optional[Mapping[Any, Any]] = None, options: Any = None,
            run_metadata: Any = None) -> Any:
        """As `tf.Session.run`."""
        items = fetches if isinstance(fetches, list) else [fetches]
        if self._collects and items and options is None and run_metadata is None:
            if self._put_off(items, feed_dict or {}):
                return [None] * len(items) if isinstance(fetches, list) else None
            variables = [_read(item, self.graph) for item in items]
            if not feed_dict and None not in variables:
                found = self._values([variable for variable in variables if variable is not None])
                return found if isinstance(fetches, list) else found[0]
        self.flush()
        # Whatever runs may write them.
        self._known.clear()
        return super().run(fetches, feed_dict, options, run_metadata)

    def make_callable(self, *args: Any, **kwargs: Any) -> Any:
        """As `tf.Session.make_callable`; what it gives would pass by what is put off, so nothing is from now on."""
        self.settle()
        return super().make_callable(*args, **kwargs)

    def partial_run_setup(self, *args: Any, **kwargs: Any) -> Any:
        """As `tf.Session.partial_run_setup`, and as for `make_callable`."""
        self.settle()
        return super().partial_run_setup(*args, **kwargs)

    def close(self) -> None:
        """As `tf.Session.close`: what was put off is given up."""
        self.give_up()
        super().close()

    def settle(self) -> None:
        """Do what was put off, and put off nothing any more."""
        self.flush()
        self._collects = False

    def give_up(self) -> None:
        """Forget what was put off, and put off nothing any more."""
        self._initialised, self._set, self._collects = {}, {}, False

    def flush(self) -> None:
        """Do what was put off: initialisations in one run, then settings in another."""
        initialised, self._initialised = self._initialised, {}
        written, self._set = self._set, {}
        if initialised:
            super().run(list(initialised.values()))
        if written:
            super().run([op for op, _ in written.values()], {op.inputs[1]: value for op, value in written.values()})

    def _put_off(self, items: Sequence[Any], feed: Mapping[Any, Any]) -> bool:
        """Whether the fetches only set variables of quantizers, and have been taken over."""
        if not all(_assigns(item, self.graph) for item in items):
            return False
        if not feed:
            if any(op.inputs[1].op.type != "Const" for op in items):
                return False
            for op in items:
                name = op.inputs[0].op.name
                self._initialised[name] = op
                self._set.pop(name, None)
                self._known.pop(name, None)
            return True
        op, given = items[0], list(feed.items())
        if len(items) > 1 or len(given) > 1 or given[0][0] is not op.inputs[1]:
            return False
        return self._put_off_value(op, given[0][1])

    def _put_off_value(self, op: tf.Operation, given: Any) -> bool:
        kind = op.inputs[1].dtype.as_numpy_dtype
        value = np.asarray(given, dtype=kind)
        # What does not fit is TensorFlow's to refuse.
        if value.shape != () or (isinstance(given, int) and int(value) != given):
            return False
        name = op.inputs[0].op.name
        self._set[name] = op, value
        self._known[name] = value[()]
        return True

    def _values(self, variables: Sequence[tf.Operation]) -> List[Any]:
        """The values of variables; where one of them is not known, all of the graph's are read."""
        if any(variable.name not in self._known for variable in variables):
            self.flush()
            every = [op for op in self.graph.get_operations() if _is_variable(op) and op.name not in self._known]
            try:
                self._remember(every)
            except tf.errors.FailedPreconditionError:  # one that nobody has asked for has no value yet
                self._remember(variables)
        return [self._known[variable.name] for variable in variables]

    def _remember(self, variables: Sequence[tf.Operation]) -> None:
        self._known.update(super().run({op.name: op.outputs[0] for op in variables}))


def unoptimized(config: Optional[tf.ConfigProto]) -> tf.ConfigProto:
    """A session's configuration that runs each graph as it is."""
    result = tf.ConfigProto()
    if config is not None:
        result.CopyFrom(config)
    result.graph_options.rewrite_options.disable_meta_optimizer = True
    return result


def _is_variable(op: tf.Operation) -> bool:
    return op.type == "VariableV2" and _VARIABLE.search(op.name) is not None


def _assigns(fetch: Any, graph: tf.Graph) -> bool:
    """Whether a fetch assigns a variable of a quantizer, and does nothing else."""
    return isinstance(fetch, tf.Operation) and fetch.type == "Assign" and fetch.graph is graph \
        and _is_variable(fetch.inputs[0].op) and not fetch.control_inputs


def _read(fetch: Any, graph: tf.Graph) -> Optional[tf.Operation]:
    """The quantizer's variable that a fetch reads, and does nothing else."""
    op = getattr(fetch, "op", None)
    if not isinstance(op, tf.Operation) or op.graph is not graph or op.control_inputs:
        return None
    op = op.inputs[0].op if op.type == "Identity" else op
    return op if _is_variable(op) else None


class _Instead:
    """A module with some of its names meaning something else."""

    def __init__(self, module: Any, **names: Any) -> None:
        self.__dict__.update(names, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@contextlib.contextmanager
def sessions(modules: Aimet, optimized: bool = False) -> Iterator[None]:
    """Have AIMET open sessions that collect, for the time of a block; they are plain ones behind it.

    TensorFlow stays as it is: only AIMET's own module that opens sessions sees another class. A version that has no
    such module, or opens them elsewhere, gets plain ones, and takes its time.

    Args:
        modules: AIMET's modules.
        optimized: Whether TensorFlow optimizes the graph for each new run, as it does otherwise; that is worth its time
            where the same run comes again and again.
    """
    opened: List[CollectingSession] = []

    class Opened(CollectingSession):
        def __init__(self, target: str = "", graph: Optional[tf.Graph] = None,
                     config: Optional[tf.ConfigProto] = None) -> None:
            super().__init__(target, graph, config if optimized else unoptimized(config))
            opened.append(self)

    opener = _opener(modules)
    if opener is None:
        yield
        return
    with _ONE_AT_A_TIME:
        module = opener.tf
        v1 = _Instead(module.compat.v1, Session=Opened)
        opener.tf = _Instead(module, Session=Opened, compat=_Instead(module.compat, v1=v1))
        try:
            yield
            for session in opened:
                session.settle()
        finally:
            opener.tf = module
            for session in opened:
                session.give_up()


def _opener(modules: Aimet) -> Optional[Any]:
    """AIMET's module that opens its sessions; None in a version that has none, or has no TensorFlow there."""
    return modules.graph_saver if hasattr(getattr(modules.graph_saver, "tf", None), "compat") else None
