"""What a run writes at its end."""

from pathlib import Path

from quant_accuracy.settings.card import DataPaths
from tests.support import foreign, suite


def test_a_report_that_is_asked_for_and_cannot_be_written_is_no_green_run(demo: DataPaths, tmp_path: Path) -> None:
    foreign.make(tmp_path, {"output/report.json/in_its_place": ""})

    done = foreign.run(tmp_path, "--pyargs", "test_quant_accuracy", "-k", "mAP_drop", "--shards", "0", "--report",
                       "json")

    assert "wrote nothing: " in done.said
    assert suite.FAILED not in done.outcomes.values()
    assert done.status == 2, done.said
