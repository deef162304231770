"""Small networks of every kind, folded and with quantizers as the real AIMET 1.19.1 has them.

`docs/networks.md` lists them; `tests/support/aimet_zoo/` builds them.
"""

from pathlib import Path

import pytest

from quant_accuracy.base.errors import QuantAccuracyError
from tests.support.aimet_zoo import answers, page
from tests.support.aimet_zoo.answers import Stopped
from tests.support.aimet_zoo.differences import Delta, between
from tests.support.aimet_zoo.known import DIFFERENCES, INSTEAD, REFUSED
from tests.support.aimet_zoo.zoo import NETWORKS, write_checkpoint
from tests.support.places import ROOT

_AIMET = answers.aimets()
_ANSWERED = [name for name, answer in _AIMET.items() if not isinstance(answer, Stopped) and name not in REFUSED]
_STOPPED = [name for name, answer in _AIMET.items() if isinstance(answer, Stopped)]


@pytest.mark.parametrize("name", _ANSWERED)
def test_folds_biases_and_quantizers_are_those_of_aimet(name: str, tmp_path: Path) -> None:
    aimet = _AIMET[name]
    checkpoint = write_checkpoint(NETWORKS[name], tmp_path)
    assert (checkpoint.starts, checkpoint.outputs) == (aimet.starts, aimet.outputs)

    ours = answers.ours(checkpoint)

    expected = DIFFERENCES[name].delta if name in DIFFERENCES else Delta()
    assert between(aimet, ours) == expected
    left = [pair for pair in aimet.folded if pair not in expected.not_folded]
    assert [pair for pair in ours.folded if pair not in expected.folded] == left


@pytest.mark.parametrize("name", _STOPPED)
def test_networks_that_stop_aimet_give_a_result_here(name: str, tmp_path: Path) -> None:
    ours = answers.ours(write_checkpoint(NETWORKS[name], tmp_path))

    assert (len(ours.folded), ours.on, len(ours.quantizers)) == INSTEAD[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name: str, tmp_path: Path) -> None:
    with pytest.raises(QuantAccuracyError, match=REFUSED[name].words):
        answers.ours(write_checkpoint(NETWORKS[name], tmp_path))


def test_every_network_has_an_answer_and_every_difference_a_network() -> None:
    assert list(_AIMET) == list(NETWORKS)
    assert {*DIFFERENCES, *REFUSED} <= set(_AIMET) - set(_STOPPED)
    assert set(INSTEAD) == set(_STOPPED)


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")

    assert written == page.page(), "write it again: python -m tests.support.aimet_zoo.page > docs/networks.md"
