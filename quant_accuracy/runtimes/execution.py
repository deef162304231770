"""A whole graph, its network computed by the chosen runtime and all else by TensorFlow."""

import contextlib
from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import callables, sessions
from quant_accuracy.graph import nodes as graph_nodes
from quant_accuracy.runtimes import partition, pixels
from quant_accuracy.runtimes.contract import Feed, Run, Runtime
from quant_accuracy.runtimes.partition import Part
from quant_accuracy.runtimes.tensorflow_runtime import TensorFlow


@dataclass(frozen=True)
class Execution:
    """Who computes a graph's network, and where in the graph that lies.

    Attributes:
        runtime: Computes the network.
        starts: The starting ops; of no meaning to a runtime that takes whole graphs, like the output ops.
        outputs: The output ops.
        fixed: Whether all images have one size.
        table: What preprocessing makes of pixels, as `pixels.table_of`; None to run its ops.
    """

    runtime: Runtime = field(default_factory=TensorFlow)
    starts: Sequence[str] = ()
    outputs: Sequence[str] = ()
    fixed: bool = True
    table: Optional[np.ndarray] = None


@contextlib.contextmanager
def open_graph(execution: Execution, graph: tf.GraphDef, fetches: Sequence[str], label: str) -> Iterator[Run]:
    """A function from what a graph is fed to the values of some tensors, for any thread.

    Args:
        execution: Who computes it.
        graph: A frozen graph.
        fetches: The tensors that are wanted, wherever in the graph.
        label: Which graph it is, for messages: `the float graph`.

    Raises:
        UnsupportedError: The runtime cannot take the network.
        GraphError: A named op is missing, or TensorFlow cannot build the graph.
    """
    wanted, fixed = [graph_nodes.tensor_of(fetch) for fetch in fetches], execution.fixed
    if execution.runtime.whole:
        with execution.runtime.open(graph, wanted, label, fixed) as run:
            yield run
        return
    parts = partition.split(graph, execution.starts, execution.outputs, wanted)
    with contextlib.ExitStack() as stack:
        steps = [(parts.network, stack.enter_context(execution.runtime.open(parts.network.graph, parts.network.gives,
                                                                            label, fixed)))]
        if parts.behind.gives:
            steps.append((parts.behind, stack.enter_context(_open_behind(parts.behind, label))))
        if parts.before.gives:
            steps.insert(0, (parts.before, stack.enter_context(_open_before(parts.before, execution.table, label))))

        def run_parts(feed: Feed) -> List[np.ndarray]:
            known: Dict[str, np.ndarray] = {graph_nodes.tensor_of(name): value for name, value in feed.items()}
            for part, step in steps:
                known.update(zip(part.gives, step(_fed(part, known))))
            return [known[tensor] for tensor in wanted]

        yield run_parts


@contextlib.contextmanager
def _open_before(before: Part, table: Optional[np.ndarray], label: str) -> Iterator[Run]:
    """Preprocessing, by its table where it gives the network's input from images alone and nothing else."""
    if table is not None and len(before.gives) == len(before.placeholders) == 1:
        (images,), apply = before.placeholders, pixels.applied(table)
        yield lambda feed: [apply(feed[images])]
        return
    with TensorFlow().open(before.graph, before.gives, label) as run:
        yield run


@contextlib.contextmanager
def _open_behind(behind: Part, label: str) -> Iterator[Run]:
    """Post-processing: so little that what a session does around it counts."""
    with sessions.open_session(behind.graph, label, callables.in_this_thread()) as session:
        steps: Dict[Tuple[str, ...], Callable[..., Sequence[np.ndarray]]] = {}

        def run(feed: Feed) -> List[np.ndarray]:
            names = tuple(sorted(feed))
            if names not in steps:
                steps[names] = session.make_callable(behind.gives, names)
            return list(steps[names](*(feed[name] for name in names)))

        yield run


def preprocessing_table(graph: tf.GraphDef, execution: Execution, image_input: str, height: int,
                        width: int) -> Optional[np.ndarray]:
    """What a graph's preprocessing makes of pixels, as `pixels.table_of`; None where it is more than a table."""
    before = partition.split(graph, execution.starts, execution.outputs,
                             list(map(graph_nodes.tensor_of, execution.outputs))).before
    if len(before.gives) != 1 or before.placeholders != [graph_nodes.tensor_of(image_input)]:
        return None
    with TensorFlow().open(before.graph, before.gives, "the float graph's preprocessing") as run:
        return pixels.table_of(run, before.placeholders[0], height, width)


def _fed(part: Part, known: Feed) -> Feed:
    """What a part is fed: the placeholders of the graph that it still has, and what other parts have computed."""
    own = {tensor: known[tensor] for tensor in part.placeholders if tensor in known}
    return {**own, **{f"{name}:0": known[tensor] for tensor, name in part.takes.items()}}
