"""The command that writes a bundle: what it refuses before TensorFlow is imported."""

import argparse
import shlex
from pathlib import Path

import pytest

from quant_accuracy.commands import device_bundle
from quant_accuracy.settings import options


def test_a_bundle_of_several_models_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL_CHECKPOINT", "DATASET_DIR", "TFRECORD_FILE_PATTERN", "ANNOTATION_JSON_FILE"):
        monkeypatch.setenv(f"QUANT_ACCURACY_{name}", str(tmp_path / "none"))

    status = device_bundle.main([str(tmp_path / "bundle"), "--model", "ssd_mobilenet_v2_coco", "--model",
                                 "ssd_mobilenet_v1_coco"])

    assert status == 2
    assert "a bundle is of one model, and 2 are named" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_holds_something_is_refused_before_anything_is_computed(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    # Whatever comes next says first that there is no such card.
    monkeypatch.setenv("QUANT_ACCURACY_MODEL", "no_such_card")

    assert device_bundle.main([str(tmp_path)]) == 2
    assert "is not empty; name a new folder for the bundle" in capsys.readouterr().err
    assert device_bundle.main([str(tmp_path / "mine.txt")]) == 2
    assert "is a file; name a new folder for the bundle" in capsys.readouterr().err
    assert device_bundle.main([str(tmp_path / "mine.txt" / "bundle")]) == 2
    assert "Not a directory; name a folder that can be written" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_input_type_that_there_is_not_is_refused_with_those_that_there_are(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        device_bundle.main([str(tmp_path / "bundle"), "--input-type", "int8"])

    assert "'float32', 'uint8'" in capsys.readouterr().err


def test_the_report_that_comes_next_is_of_the_same_model_and_images() -> None:
    given = ["--model", "my card.yaml", "--no-cache", "--shards", "0-3", "--default-param-bw", "4"]
    bundle, report = argparse.ArgumentParser(), argparse.ArgumentParser()
    options.declare(bundle, options.BUNDLE_OPTIONS)
    options.declare(report, options.REPORT_OPTIONS)

    proposed = shlex.split(device_bundle.same_options(vars(bundle.parse_args(given))))

    assert report.parse_args(proposed) == report.parse_args(given)
