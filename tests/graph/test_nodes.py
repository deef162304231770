"""Finding one's way in a graph."""

import pytest

from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.errors import GraphError
from quant_accuracy.base.words import FLOAT
from quant_accuracy.graph import nodes as graph_nodes


def test_a_starting_op_that_does_not_lead_to_the_outputs_is_an_error(demo_artifacts: Artifacts) -> None:
    with pytest.raises(GraphError, match="'detection_boxes' does not lead to the output op 'concat'"):
        graph_nodes.between(demo_artifacts.graph(FLOAT), ["detection_boxes"], ["concat"])
