"""What TensorFlow raises while a graph is built or run, as one line of ours: graph, op, reason, remedy."""

import re
from typing import List, NamedTuple, Optional

import tensorflow.compat.v1 as tf

from quant_accuracy.base import invocation
from quant_accuracy.base.errors import GraphError, OutOfMemoryError, QuantAccuracyError, first_line, told
from quant_accuracy.base.near import near

_FED = re.compile(r"Cannot feed value of shape (\(.*?\)) for Tensor '?([^',]+)'?, "
                  r"which has shape '?(\(.*?\)|<unknown>)'?")
_NO_TENSOR = re.compile(r"The name '([^']+)' refers to a Tensor which does not exist")
_NODE = re.compile(r"(?:\[\[|\{\{)node ([^\s}\]]+)")
# Where several ops failed, the first line only counts them.
_SEVERAL = re.compile(r"\d+ root error\(s\) found")
_FIRST_OF_SEVERAL = re.compile(r"^\s*\(0\)\s*(?:[A-Z][A-Za-z_ ]*: )?")
_WITHOUT_KERNEL = ("NHWC", "OpKernel", "not supported", "only supports")
_UNFED = re.compile(r"You must feed a value for placeholder tensor '([^']+)' with dtype (\w+)")
_OF_FLOW = {"does not have value": "is in a branch that this run does not take",
            "has already been set": "is in a loop, where nothing outside of it can take it",
            "inputs from different frames": "is in a loop, where nothing outside of it can take it"}
# What follows tells the programmer more, and the user nothing.
_CHATTER = re.compile(r"\[\[|; NodeDef: |\. Make sure |\. \(Check whether | on /job:| in binary running on ")
_LONGEST = 300
_EXPORT = "export the checkpoint again"


def of_run(error: Exception, label: str, graph: tf.Graph) -> Optional[QuantAccuracyError]:
    """The error to raise instead of one that a session's `run` raised.

    Args:
        error: What was raised.
        label: Which graph ran, for messages: `the float graph`.
        graph: The graph.

    Returns:
        OutOfMemoryError for want of memory, GraphError for what the graph does not take or cannot do; None for
        anything else, which is a fault of ours.
    """
    if isinstance(error, MemoryError):
        return _out_of_memory(label, "", "it got no memory")
    if isinstance(error, tf.errors.OpError):
        return _of_op(error, label)
    fed, missing = _FED.search(str(error)), _NO_TENSOR.search(str(error))
    if fed is not None:
        return _of_shape(label, fed.group(2), _sides(fed.group(1)), _sides(fed.group(3)))
    if missing is not None:
        return _of_name(label, missing.group(1), graph, feeds="feed_dict" in str(error))
    return None


def of_building(error: Exception, label: str) -> GraphError:
    """The error to raise instead of one that `tf.import_graph_def` raised, for an unknown op, say."""
    node = _NODE.search(str(error))
    place = f" at the op {node.group(1)!r}" if node is not None else ""
    return GraphError(f"{label}: TensorFlow {tf.__version__} cannot build the graph{place} ({_reason(error)}); "
                      f"{_EXPORT}, with the ops of this version")


def _of_op(error: tf.errors.OpError, label: str) -> QuantAccuracyError:
    place, reason = _place(error), _reason(error)
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return _out_of_memory(label, place, reason)
    unfed, of_flow = _UNFED.search(reason), [what for words, what in _OF_FLOW.items() if words in reason]
    if unfed is not None:
        return GraphError(f"{label}: nothing feeds the placeholder {unfed.group(1)!r}, a {unfed.group(2)}; correct "
                          "image_input in the model card if it takes images, give it a value where inputs are "
                          f"given by name, or {_EXPORT} with a default for it (tf.placeholder_with_default)")
    if of_flow:
        return GraphError(f"{label}: a tensor{place} {of_flow[0]} ({reason}); correct output_ops and detections in the "
                          f"model card if they name it, else {_EXPORT} without that control flow")
    if isinstance(error, tf.errors.UnimplementedError) or any(word in reason for word in _WITHOUT_KERNEL):
        remedy = (f"TensorFlow {tf.__version__} cannot run it on this machine: {_EXPORT} with ops that run on CPUs "
                  "(data_format NHWC)")
    elif isinstance(error, tf.errors.FailedPreconditionError):
        remedy = ("nothing is initialized in a frozen graph: "
                  f"{_EXPORT} without variables or tables that it does not hold")
    else:
        remedy = ("correct image_input, input and detections in the model card where they are not those of this "
                  f"checkpoint, else {_EXPORT}")
    return GraphError(f"{label}: TensorFlow fails{place} ({reason}); {remedy}")


def _out_of_memory(label: str, place: str, reason: str) -> OutOfMemoryError:
    return OutOfMemoryError(f"{label}: out of memory{place} ({reason}); lower --eval-batch-size or --threads, or "
                            "use a machine with more memory; finished shards are kept")


def _place(error: tf.errors.OpError) -> str:
    if error.node_def is not None:
        return f" at the op {error.node_def.name!r}, a {error.node_def.op}"
    node = _NODE.search(error.message or "")
    return f" at the op {node.group(1)!r}" if node is not None else ""


def _reason(error: Exception) -> str:
    """The shortest part of a message that says why; TensorFlow's have many lines, with its own ops' stack traces."""
    text = told(str(getattr(error, "message", None) or error))
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and _SEVERAL.match(lines[0].strip()):
        lines = [_FIRST_OF_SEVERAL.sub("", line) for line in lines[1:]]
    reason = _CHATTER.split(lines[0])[0].strip() if lines else first_line(error)
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} ..."


class _Shape(NamedTuple):
    """Sides of a shape as TensorFlow writes it; None where any number will do."""

    sides: List[Optional[int]]

    def __str__(self) -> str:
        return f"[{', '.join('?' if side is None else str(side) for side in self.sides)}]"


def _sides(text: str) -> _Shape:
    return _Shape([int(side) if side.isdigit() else None for side in re.findall(r"\d+|\?|None", text)])


def _of_shape(label: str, tensor: str, given: _Shape, wanted: _Shape) -> GraphError:
    """An error about images that a placeholder does not take: too many at once, or of another size."""
    if len(wanted.sides) != 4 or len(given.sides) != 4:
        return GraphError(f"{label}: {tensor} takes the shape {wanted}, and {given} was fed; correct image_input in "
                          f"the model card, or {_EXPORT}")
    batch, *size = wanted.sides
    if any(side is not None and side != fed for side, fed in zip(size[:2], given.sides[1:3])):
        return GraphError(f"{label}: {tensor} takes images of {size[0]}x{size[1]} (height x width), and images of "
                          f"{given.sides[1]}x{given.sides[2]} were fed; correct input in the model card")
    if batch is not None and batch != given.sides[0]:
        remedy = "leave --eval-batch-size out" if batch == 1 else \
            f"{_EXPORT} with {invocation.EXPORT}, whose graphs take any number"
        return GraphError(f"{label}: {tensor} takes {batch} image{'' if batch == 1 else 's'} at a time, and a batch of "
                          f"{given.sides[0]} was fed; {remedy}")
    return GraphError(f"{label}: {tensor} takes the shape {wanted}, and {given} was fed; {_EXPORT} with an input of "
                      "uint8 RGB images")


def _of_name(label: str, tensor: str, graph: tf.Graph, feeds: bool) -> GraphError:
    """An error about a tensor that the graph does not have, with those that it could have meant."""
    ops = graph.get_operations()
    name = tensor.split(":")[0]
    inputs = [op.name for op in ops if op.type == "Placeholder"][:5] if feeds else []
    meant = near(name, inputs or [op.name for op in ops], 3)
    hint = f" (did you mean {' or '.join(meant)}?)" if meant else \
        f" (its placeholders: {', '.join(inputs)})" if inputs else ""
    keys = "image_input" if feeds else "detections or output_ops"
    return GraphError(f"{label}: has no tensor {tensor!r}; correct {keys} in the model card{hint}")
