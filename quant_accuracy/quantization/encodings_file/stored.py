"""What an encodings file holds, in whichever version it is written."""

from pathlib import Path
from typing import Mapping, NamedTuple

from quant_accuracy.base import invocation
from quant_accuracy.quantization.records import ACTIVATION, PARAM, Encodings

# The version that is written.
VERSION = "0.5.0"
SECTIONS = {ACTIVATION: "activation_encodings", PARAM: "param_encodings"}
AGAIN = f"make it again with {invocation.REPORT} --quantsim-output-dir DIR, which writes DIR/model.encodings"


class Stored(NamedTuple):
    """An encodings file.

    Attributes:
        path: Where it was read.
        by_kind: Encodings by kind (`activation`, `param`); of a file that does not tell them apart, all for each.
        of_every_tensor: The file holds encodings of all tensors, those between quantizers included, and does not say
            which are symmetric: those are what their quantizers are.
    """

    path: Path
    by_kind: Mapping[str, Encodings]
    of_every_tensor: bool = False

    def all(self) -> Encodings:
        """Both kinds together."""
        return {**self.by_kind[ACTIVATION], **self.by_kind[PARAM]}

    def with_names(self, names: Mapping[str, str]) -> "Stored":
        """The file with other names for some params."""
        given = {names.get(name, name): encodings for name, encodings in self.by_kind[PARAM].items()}
        return self._replace(by_kind={PARAM: given, ACTIVATION: given if self.of_every_tensor
                                      else self.by_kind[ACTIVATION]})
