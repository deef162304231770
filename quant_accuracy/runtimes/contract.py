"""What a runtime promises, whoever it is."""

import abc
from typing import Callable, ContextManager, List, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

# Values by tensor name.
Feed = Mapping[str, np.ndarray]
# From what a graph is fed to the values of the tensors that it was opened for, in their order; threads may share it.
Run = Callable[[Feed], List[np.ndarray]]


class Runtime(abc.ABC):
    """Computes graphs.

    The same feed gives the same values to the last bit, however many threads, streams and processes there are: every op
    runs on one thread, and cores are kept busy by threads that call the same `Run`.

    Attributes:
        name: As options and model cards name it.
        whole: Whether it takes any graph, images and strings and loops included; otherwise it is given the network
            alone.
    """

    name: str
    whole: bool = False

    @property
    @abc.abstractmethod
    def version(self) -> str:
        """The version that is installed."""

    @property
    def identity(self) -> str:
        """Name and version, which figures depend on: `openvino 2023.1.0`."""
        return f"{self.name} {self.version}"

    @abc.abstractmethod
    def open(self, graph: tf.GraphDef, fetches: Sequence[str], label: str, fixed: bool = True) -> ContextManager[Run]:
        """A graph, ready to run.

        Args:
            graph: A frozen graph, whose placeholders are fed.
            fetches: The tensors to compute.
            label: Which graph it is, for messages: `the float graph`.
            fixed: Whether all images have one size; otherwise each may have its own.

        Raises:
            UnsupportedError: The runtime cannot take the graph; op and type are named. What depends on the shapes that
                are fed is raised by the first run instead.
            GraphError: No runtime could.
        """
