"""What the entry point loads, where pytest does not know the files of the installation."""

import subprocess
import sys
from pathlib import Path

from tests.support import suite


def test_pytest_warns_of_nothing_where_the_installation_does_not_list_its_files(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain(quant_options):\n    assert quant_options\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p",
                           "quant_accuracy.plugin.entry_point"], cwd=str(tmp_path), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env=suite.environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"))

    assert done.returncode == 0, done.stdout
    assert "warnings summary" not in done.stdout
