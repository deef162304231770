"""What a comparison op by op finds: figures in steps of each tensor's encoding, and which ops are not healthy."""

from dataclasses import dataclass
from typing import List, Sequence, Tuple

from quant_accuracy.quantization.records import with_layer

INPUT = "INPUT"
# Both sides round: a step apart is healthy. The rest is float32's part in the simulation, and in the encoding's scale.
ONE_STEP = 1.1
# Ties that fall otherwise put about one element of a hundred a step apart; so many are no coincidence.
SYSTEMATIC = 0.05
_FEW = 3
_NAMED = 3


@dataclass(frozen=True)
class Difference:
    """How far the integer model is from the simulation at a tensor, in steps of its encoding.

    Attributes:
        most: The largest difference of an element, whatever its sign.
        mean: The mean of all elements' differences, whatever their signs.
        rms: The root of the mean square.
        shift: The mean with signs: positive where the integer model gives larger values.
        beyond: The share of elements that are more than one step apart.
    """

    most: float
    mean: float
    rms: float
    shift: float
    beyond: float


@dataclass(frozen=True)
class Op:
    """An op of the integer model, or one of the model's inputs.

    Attributes:
        place: Its place in the order in which the model runs; its inputs have 0.
        type: As the runtime calls it, `CONV_2D`; `INPUT` for an input.
        tensor: What it gives, by the name that the tensor has in the graph.
        layer: The op of the graph that its weights belong to, or else the one that gives the tensor.
        elements: How many elements were compared.
        step: The step of the tensor's encoding; where the simulation does not quantize it, that of the model.
        local: Fed with the simulation's tensors.
        accumulated: Behind the whole network before it.
        causes: What is known of why it differs; empty where it is healthy.
    """

    place: int
    type: str
    tensor: str
    layer: str
    elements: int
    step: float
    local: Difference
    accumulated: Difference
    causes: Tuple[str, ...] = ()

    @property
    def exceeds(self) -> bool:
        """Whether it is more than a step apart somewhere, fed with the simulation's tensors."""
        return self.local.most > ONE_STEP

    @property
    def healthy(self) -> bool:
        """Whether the op does what the simulation does: nowhere more than a step apart, and rarely that much."""
        often = self.local.mean > SYSTEMATIC and self.local.mean * self.elements > _FEW
        return not self.exceeds and not often

    @property
    def label(self) -> str:
        """Its tensor, with its layer where the name does not tell."""
        return with_layer(self.tensor, self.layer)


@dataclass(frozen=True)
class Depth:
    """Every op of an integer model beside the simulation.

    Attributes:
        kind: The kind of the model: `tflite`.
        identity: The runtime, with its version.
        images: How many images were run.
        ops: Its inputs and its ops, in the order in which the model runs.
        left_out: Tensors of the model that no tensor of the simulation stands for: the op behind such a one is compared
            together with the op that gives it.
    """

    kind: str
    identity: str
    images: int
    ops: Sequence[Op]
    left_out: Sequence[str] = ()

    def unhealthy(self) -> List[Op]:
        """The ops that are not healthy, worst first: those beyond a step before those that are within, by RMS."""
        return sorted((op for op in self.ops if not op.healthy),
                      key=lambda op: (not op.exceeds, -op.local.rms, op.place))

    def lines(self) -> List[str]:
        """A few sentences: which ops differ by themselves, and how the differences grow."""
        return [self._named(), *self._grown()]

    def _named(self) -> str:
        worst, count = self.unhealthy(), len(self.ops)
        if not worst:
            return (f"each of {count} ops of {self.kind}, fed with the simulation's tensors, is within one step of "
                    f"it ({self.images} images)")
        named = "; ".join(_told(op) for op in worst[:_NAMED])
        more = f"; and {len(worst) - _NAMED} more" if len(worst) > _NAMED else ""
        return (f"{len(worst)} of {count} ops of {self.kind} differ from the simulation by themselves "
                f"({self.images} images), worst first: {named}{more}")

    def _grown(self) -> List[str]:
        if not self.ops:
            return []
        first = next((op for op in self.ops if op.accumulated.rms > 1.0), None)
        last = max(self.ops, key=lambda op: op.accumulated.rms)
        if first is None:
            return [f"accumulated, the difference stays within one step (RMS, at most {last.accumulated.rms:.2f} at "
                    f"#{last.place} {last.label})"]
        return [f"accumulated, the difference grows beyond one step (RMS) at #{first.place} of {len(self.ops)}, "
                f"{first.label}, and is largest at #{last.place}, {last.label}: {last.accumulated.rms:.1f} steps"]


def _told(op: Op) -> str:
    beyond = f", {100 * op.local.beyond:.1f} % of elements beyond one" if op.exceeds else ""
    why = f": {', '.join(op.causes)}" if op.causes else ""
    return (f"#{op.place} {op.type} {op.label} (up to {op.local.most:.1f} steps, mean {op.local.mean:.2f}"
            f"{beyond}){why}")
