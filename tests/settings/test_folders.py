"""Where a run finds and leaves its files."""

from pathlib import Path

import pytest

from quant_accuracy.settings import folders
from quant_accuracy.settings.options import DEMO_CARD
from quant_accuracy.settings.values import Values
from tests.support.places import ROOT


def test_defaults_lie_below_the_root_of_the_run(tmp_path: Path) -> None:
    values = Values({}, root=tmp_path)

    assert folders.output(values, "mine") == tmp_path / "output"
    assert folders.cache(values) == tmp_path / ".cache"
    assert folders.baselines(values, "mine", "mine") == tmp_path / "baselines"
    assert folders.cards(values)[0] == tmp_path / "models"


def test_the_root_is_the_working_directory_unless_a_door_says_otherwise(tmp_path: Path,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert Values({}).root == tmp_path


def test_what_is_typed_is_taken_as_it_is(tmp_path: Path) -> None:
    values = Values({"output_dir": Path("out"), "baseline_dir": Path("b")}, {"cache_dir": Path("c")}, root=tmp_path)

    assert folders.output(values, "mine") == Path("out")
    assert folders.cache(values) == Path("c")
    assert folders.baselines(values, DEMO_CARD, DEMO_CARD) == Path("b")
    assert folders.baseline(values, DEMO_CARD, DEMO_CARD) == Path("b") / DEMO_CARD


def test_several_models_have_a_folder_each() -> None:
    one, two = (Values({"model": models, "output_dir": Path("out"), "quantsim_output_dir": Path("sim")})
                for models in (["a"], ["a", "b"]))

    assert (folders.output(one, "a"), folders.quantsim(one, "a")) == (Path("out"), Path("sim"))
    assert (folders.output(two, "a"), folders.quantsim(two, "a")) == (Path("out/a"), Path("sim/a"))
    assert folders.quantsim(Values({}), "a") is None


def test_the_demo_brings_its_baseline_to_a_repository_that_has_none(tmp_path: Path) -> None:
    values = Values({}, root=tmp_path)

    found = folders.baseline(values, DEMO_CARD, DEMO_CARD)

    assert sorted(path.name for path in found.iterdir()) == ["figures.json", "quantizers.json"]
    assert folders.baselines(values, DEMO_CARD, DEMO_CARD) == tmp_path / "baselines", "a new one is the user's own"
    assert folders.baseline(values, "mine", "mine") == tmp_path / "baselines" / "mine"


def test_a_baseline_of_ones_own_comes_before_that_of_the_demo(tmp_path: Path) -> None:
    own = tmp_path / "baselines" / DEMO_CARD
    own.mkdir(parents=True)

    assert folders.baseline(Values({}, root=tmp_path), DEMO_CARD, DEMO_CARD) == own


def test_the_baseline_of_this_checkout_is_the_one_that_is_shipped() -> None:
    committed = folders.baseline(Values({}, root=ROOT), DEMO_CARD, DEMO_CARD)

    assert committed == ROOT / "baselines" / DEMO_CARD
    assert committed.resolve() == ROOT / "quant_accuracy" / "demo" / "baseline"


def test_the_first_baseline_of_a_card_goes_beside_its_models_wherever_the_command_is_typed(tmp_path: Path) -> None:
    card = str(tmp_path / "models" / "mine.yaml")

    assert folders.baselines(Values({}, root=tmp_path / "sub"), "mine", card) == tmp_path / "baselines"
    # Of pytest the rootdir says where the repository is.
    assert folders.baselines(Values({}, {}, tmp_path / "sub", "pytest"), "mine", card) == tmp_path / "sub" / "baselines"


@pytest.mark.parametrize("card", ["models/mine.yaml", "mine.yaml"])
def test_a_card_that_is_named_by_its_path_has_its_baselines_beside_it(card: str, tmp_path: Path) -> None:
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "repository" / card
    (tmp_path / "repository" / "baselines" / "mine").mkdir(parents=True)

    found = folders.baselines(Values({}, root=elsewhere), "mine", str(path))

    assert found == tmp_path / "repository" / "baselines"
