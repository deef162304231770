"""What a user's own tests may rely on, pinned: a change here is a change of the version."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict

import pytest

import fixtures
import quant_accuracy
from quant_accuracy import plugin
from tests.support.places import ROOT

_NAMES = ["Annotations", "Artifacts", "Checkpoint", "Detected", "Evaluation", "Jitter", "Metrics", "ModelCard",
          "Prepared", "QuantAccuracyError", "Quantizer", "ReportedRun", "Shard", "Variant", "Verdict", "__version__",
          "read_report"]
_FIXTURES = ["annotations", "checkpoint", "detections", "evaluation", "jitter", "model", "network_verdicts", "prepared",
             "quantizers", "quantsim", "settle", "shards", "unless_updating_baselines", "verdicts"]
# They have a name without an underscore, and serve the gates.
_OF_THE_GATES = ["evaluate_shards_with_other_workers", "quant_options"]
_PAGE = ROOT / "docs" / "plugin.md"


def test_the_exported_names_are_these() -> None:
    assert sorted(quant_accuracy.__all__) == sorted(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_every_exported_name_is_there_and_on_the_page(name: str) -> None:
    found = getattr(quant_accuracy, name)

    if isinstance(found, type):
        assert found.__name__ == name
        assert f"| `{name}` | {str(found.__doc__).splitlines()[0].rstrip('.')} |\n" in _PAGE.read_text()


def _fixtures() -> Dict[str, str]:
    """The fixtures of the plugin, without those whose name begins with an underscore: name, and what its type says."""
    found = {}
    for module in plugin.pytest_plugins:
        for name, value in vars(importlib.import_module(module)).items():
            # Before and since pytest 8.4.
            marker = getattr(value, "_pytestfixturefunction", None) or getattr(value, "_fixture_function_marker", None)
            if marker is not None:
                shown = marker.name or name
                if not shown.startswith("_"):
                    found[shown] = str(value.__doc__).splitlines()[0]
    return found


def test_the_fixtures_are_these() -> None:
    assert sorted(_fixtures()) == sorted([*_FIXTURES, *_OF_THE_GATES])


def test_the_folder_of_the_checkout_is_a_door_to_all_of_them() -> None:
    assert sorted(fixtures.__all__) == _FIXTURES


@pytest.mark.parametrize("name", _FIXTURES)
def test_every_fixture_is_on_the_page(name: str) -> None:
    assert f"| `{name}` | {_fixtures()[name].rstrip('.')} |\n" in _PAGE.read_text()


def test_what_fixtures_give_is_exported() -> None:
    given = {record for line in _fixtures().values() for record in re.findall(r"`([A-Z]\w+)`", line)}

    assert given
    assert given <= set(_NAMES)


def test_a_name_that_is_not_exported_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        quant_accuracy.no_such_name  # noqa: B018


def test_a_report_is_read_without_tensorflow(tmp_path: Path) -> None:
    script = ("import sys\nfrom quant_accuracy import QuantAccuracyError, read_report\n"
              "try:\n    read_report(sys.argv[1])\nexcept QuantAccuracyError as error:\n    print(error)\n"
              "assert 'tensorflow' not in sys.modules")

    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'report.json'}: no such file")
