"""TensorFlow is set up before it is imported, and left alone where nothing of ours evaluates."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Set

from quant_accuracy.settings.options import DEMO_CARD
from tests.support import suite
from tests.support.places import ROOT

_VARIABLES = "[name for name in os.environ if name.startswith('TF_')]"


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module}"


def _rooms(name: str) -> Set[str]:
    """The rooms with a module that imports a package."""
    engine = ROOT / "quant_accuracy"
    return {path.relative_to(engine).parts[0] for path in engine.rglob("*.py")
            if any(imported.split(".")[0] == name for imported in _imports(path))}


def test_every_room_that_imports_tensorflow_sets_it_up_first() -> None:
    rooms = _rooms("tensorflow") | _rooms("object_detection") | _rooms("aimet_tensorflow")

    assert [room for room in sorted(rooms)
            if "before_tensorflow.set_up()" not in (ROOT / "quant_accuracy" / room / "__init__.py").read_text()] == []


def _variables_after(code: str) -> str:
    environment = {name: value for name, value in suite.environment().items() if not name.startswith("TF_")}
    return subprocess.run([sys.executable, "-c", f"import os\n{code}\nprint({_VARIABLES})"], check=True, cwd=str(ROOT),
                          stdout=subprocess.PIPE, text=True, env=environment).stdout.splitlines()[-1]


def test_a_process_that_loads_the_plugin_and_no_room_keeps_its_tensorflow() -> None:
    assert _variables_after("import quant_accuracy.plugin, quant_accuracy.plugin.options") == "[]"


def test_collecting_the_gates_sets_it_up() -> None:
    code = "import pytest\npytest.main(['--collect-only', '-q', 'test_quant_accuracy/test_accuracy.py'])"

    assert "TF_OVERRIDE_GLOBAL_THREADPOOL" in _variables_after(code)


def test_pytest_has_no_warnings_to_show_of_a_test_that_imports_a_record(tmp_path: Path) -> None:
    (tmp_path / "test_hers.py").write_text("from quant_accuracy import Evaluation\n\n\ndef test_hers():\n    pass\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--model", DEMO_CARD],
                          cwd=str(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=suite.environment())

    assert done.returncode == 0, done.stdout
    assert "warnings summary" not in done.stdout
