"""Importing TensorFlow says nothing; what anybody else says meanwhile is not lost."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from quant_accuracy.base import quiet_import
from tests.support import suite
from tests.support.places import ROOT


def test_importing_a_room_of_the_engine_and_running_a_graph_writes_nothing() -> None:
    code = ("import quant_accuracy.graph.sessions as sessions\nimport tensorflow.compat.v1 as tf\n"
            "with tf.Graph().as_default() as graph:\n    tf.add(tf.constant(1.0), 2.0, name='sum')\n"
            "with sessions.open_session(graph.as_graph_def()) as session:\n    print(session.run('sum:0'))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=str(ROOT),
                          env=suite.environment())

    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "")


@pytest.mark.parametrize("code", ["import sys; sys.stderr.write('progress\\n')",
                                  "import os; os.write(2, b'progress\\n')",
                                  "import sys; sys.stderr.write('progress\\n'); raise ImportError('broken')"])
def test_what_others_write_is_passed_on_and_noise_is_not(code: str, capfd: pytest.CaptureFixture) -> None:
    def run() -> None:
        with quiet_import.without_noise():
            exec("import os; os.write(2, b'I0000 port.cc:153] oneDNN custom operations are on. You may\\n')\n" + code)

    if "raise" in code:
        with pytest.raises(ImportError, match="broken"):
            run()
    else:
        run()

    assert capfd.readouterr().err == "progress\n"


def test_a_process_without_a_standard_error_imports_as_well() -> None:
    command = f"exec {shlex.quote(sys.executable)} -c 'import quant_accuracy.graph.sessions; print(1)' 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, cwd=str(ROOT),
                          env=suite.environment())

    assert (done.returncode, done.stdout) == (0, "1\n")


def test_a_broken_tensorflow_is_named_by_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('no libtensorflow.so')\n")
    done = subprocess.run([sys.executable, "-c", "import quant_accuracy.graph.sessions"], stderr=subprocess.PIPE,
                          text=True, cwd=str(ROOT), env=suite.environment(PYTHONPATH=str(tmp_path)))

    assert done.stderr.splitlines()[-1] == "ImportError: no libtensorflow.so"
