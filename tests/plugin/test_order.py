"""The order of tests, where several models are evaluated."""

from pathlib import Path

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign

_CARD = "base: ssd_mobilenet_v2_demo\nname: {}\n"


def test_gates_of_the_same_name_stay_with_their_model_and_other_tests_where_they_are(demo: DataPaths,
                                                                                     tmp_path: Path) -> None:
    foreign.make(tmp_path, {
        "models/b.yaml": _CARD.format("b"), "models/a.yaml": _CARD.format("a"),
        "tests/test_hers.py": """
            def test_without_a_model():
                pass


            def test_gate(model, accuracy_gate):
                pass


            def test_without_one_again():
                pass


            def test_model(model):
                pass
        """})

    said = foreign.run(tmp_path, "tests/", "--model", "b", "--model", "a", "--collect-only", "-q").said

    found = [line.split("::")[1] for line in said.splitlines() if "::" in line]
    models = [name.split("[")[1].split("-w8a8")[0] for name in found if "[" in name]
    assert models == ["b"] * (len(models) // 2) + ["a"] * (len(models) // 2)
    assert found.count("test_model[b-w8a8]") == 1
    assert [name for name in found if "[" not in name] == ["test_without_a_model", "test_without_one_again"]
