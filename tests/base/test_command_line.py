"""How a command line ends."""

import subprocess
import sys

import pytest

from quant_accuracy.base import command_line
from tests.support.places import ROOT


@pytest.mark.parametrize(("error", "message"), [
    (MemoryError(), "error: out of memory; lower --eval-batch-size"),
    (OSError(5, "Input/output error", "/data/val.record"), "error: /data/val.record: Input/output error; see that it"),
])
def test_what_the_machine_refuses_is_no_defect(error: Exception, message: str, capsys: pytest.CaptureFixture) -> None:
    def work() -> int:
        raise error

    assert command_line.exit_status(work) == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert "Traceback" not in said


def test_a_reader_that_goes_away_ends_a_command_line_with_status_2() -> None:
    program = "import sys\nfrom quant_accuracy.base import command_line\n" \
              "def work():\n    while True:\n        print('x' * 10000)\nsys.exit(command_line.exit_status(work))"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=str(ROOT), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()

    process.stdout.close()

    assert process.stderr.read() == "error: nobody reads the standard output any more; finished shards are kept\n"
    assert process.wait(timeout=30) == 2
