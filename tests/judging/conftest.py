"""What the tests of this room share."""

import pytest

from quant_accuracy.judging import jitter
from quant_accuracy.judging.baseline import Baseline
from quant_accuracy.judging.jitter import Jitter
from tests.support.figures import all_metrics

_MANY = len(jitter.SCALES)


@pytest.fixture
def committed() -> Baseline:
    values = tuple(0.6 + 0.001 * step for step in range(_MANY))
    shards = {"x": values, "y": tuple(value + 0.1 for value in values)}
    classes = {"car": values}
    found = Jitter({jitter.FLOAT_MAP: values, jitter.QUANTIZED_MAP: values, jitter.DROP: (0.0,) * _MANY},
                   dict.fromkeys(jitter.VARIANT_FIGURES, classes), dict.fromkeys(jitter.VARIANT_FIGURES, shards))
    metrics = {"float": all_metrics(0.61, car=0.6, dog=None), "quantized": all_metrics(0.6, car=0.6, dog=None)}
    return Baseline(metrics, found,
                    {"data": {"annotations": "aa", "shards": {"s0": "x", "s1": "y"}}, "versions": {"numpy": "1.18.5"}})
