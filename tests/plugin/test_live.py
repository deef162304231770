"""A log of the gates shows how far they are, though pytest captures what fixtures say; and what they leave."""

from pathlib import Path

import pytest

from quant_accuracy.reporting import comparison
from quant_accuracy.settings.card import DataPaths
from tests.support import suite


def test_a_log_has_a_line_for_the_shard_and_the_report_has_all_that_compare_needs(demo: DataPaths,
                                                                                  tmp_path: Path) -> None:
    output, cache = tmp_path / "output", suite.cache_without_detections(tmp_path / "cache")

    done = suite.run(tmp_path, "--shards", "2", "-k", "mAP_ratio or mAP_drop", "--report", "json", "--output-dir",
                     str(output), "--cache-dir", str(cache))

    # On a line of its own, not behind the name of the file that pytest has begun.
    assert [line for line in done.said.splitlines() if line.startswith("detecting: 1 of 1 shards, 20 of 20 images")]
    assert {path.name for path in output.iterdir()} == {"report.json", "images", "detections", "snapshot.json"}
    assert {path.name for path in (output / "detections").iterdir()} == {"float.json", "quantized.json"}
    assert f"wrote {output / 'snapshot.json'}" in done.said
    compared = comparison.compare(output, output)
    assert not compared.paired.note
    assert set(compared.paired.intervals) >= {"mAP drop"}
    assert not compared.quantizers.missing


@pytest.mark.parametrize(("typed", "meant"), [("--modle=x", "--model"), ("--shrads=0", "--shards")])
def test_a_misspelt_option_gets_the_nearest_one(tmp_path: Path, typed: str, meant: str) -> None:
    done = suite.run(tmp_path, typed)

    assert done.status == 4
    assert f"did you mean {meant}?" in done.said
