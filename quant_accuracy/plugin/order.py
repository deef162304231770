"""The tests of one model stand together: what is made for a model is made once, and let go of before the next one."""

from typing import List

import pytest

from quant_accuracy.plugin import options
from quant_accuracy.plugin.parameters import CARD


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Order the tests of models by model, in the places that they have; other tests stay where they are.

    From 9.2 on pytest brings tests together that have the same value of any parameter, such as the name of a gate.
    """
    names = [card.name for card in options.cards_of(config)] if any(map(_card, items)) else []
    places = [place for place, item in enumerate(items) if _card(item) in names]
    ordered = sorted((items[place] for place in places), key=lambda item: names.index(_card(item)))
    for place, item in zip(places, ordered):
        items[place] = item


def _card(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return "" if callspec is None else str(callspec.params.get(CARD, ""))
