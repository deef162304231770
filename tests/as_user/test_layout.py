"""Where tests are: each file tests the module that it is named after."""

from pathlib import Path
from typing import Set

from tests.support.places import ROOT

# Rooms that mirror no room of the engine: what AIMET said, what users meet, and what other tests build on.
_NO_MIRROR = {"against_aimet", "as_user", "support", "reference", "fuzz", "mutations"}


def _modules(room: Path) -> Set[str]:
    """The modules, sub-rooms and shipped files of a room by name, as tests are named after them: dots as `_`."""
    found = {path.name if path.is_dir() else path.with_suffix("").name.replace(".", "_") for path in room.glob("*")}
    return found | {path.stem for path in (room / "templates").rglob("*")}


def test_each_test_file_is_named_after_a_module_of_its_room() -> None:
    strangers = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        room = path.parent.relative_to(ROOT / "tests")
        if room.parts[:1] and room.parts[0] in _NO_MIRROR:
            continue
        mirrored = ROOT if room.parts[:1] == ("benchmarks",) else ROOT / "quant_accuracy"
        if path.stem[len("test_"):] not in _modules(mirrored / room):
            strangers.append(str(path.relative_to(ROOT)))

    assert not strangers


def test_what_tests_share_is_imported_from_support_and_never_from_a_test() -> None:
    wrong = [str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")
             for line in path.read_text(encoding="utf-8").splitlines()
             if line.startswith(("from tests.", "import tests.")) and ".test_" in line]

    assert not wrong
