"""`--load-encodings` of the demo's own export, its new biases numbered in another order."""

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.artifacts import quantsim
from quant_accuracy.artifacts.records import Artifacts
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.words import FLOAT
from quant_accuracy.commands import report
from quant_accuracy.quantization import export
from quant_accuracy.quantization.records import Settings
from tests.support.aimet_stand_in.aimet_tensorflow.batch_norm_fold import numbers_reversed, renamed


def _run(path: Path, cache: Cache, output: Path) -> int:
    return report.main(["--eval-num-examples", "2", "--load-encodings", str(path), "--cache-dir", str(cache.root),
                        "--output-dir", str(output)])


def test_an_export_whose_names_belong_to_other_tensors_is_refused_and_alone_it_is_said_not_to_be_checked(
        demo_artifacts: Artifacts, cache: Cache, tmp_path: Path, capsys: Any) -> None:
    """The same file is in the cache already when its graph comes beside it."""
    document = json.loads((demo_artifacts.quantsim_folder / "model.encodings").read_text())
    (tmp_path / "export").mkdir()
    path = tmp_path / "export" / "model.encodings"
    path.write_text(json.dumps(document))

    assert _run(path, cache, tmp_path / "output") in (0, 1)
    assert "encodings are of tensors that folding has numbered (bias_value_" in capsys.readouterr().out

    graph = demo_artifacts.graph(FLOAT)
    export.write_checkpoint(renamed(graph, numbers_reversed(graph)), path.parent)
    assert _run(path, cache, tmp_path / "output") == 2
    said = capsys.readouterr().err
    assert "belongs to another network, as model.meta beside it tells: 'bias_value_" in said
    assert "more of its tensors are others here, too)" in said


@pytest.mark.parametrize("beside", [None, b"", b"other"])
def test_the_graph_beside_a_file_names_a_place_of_its_own_in_the_cache(tmp_path: Path, beside: Any) -> None:
    path = tmp_path / "model.encodings"
    path.write_text("{}")
    (tmp_path / "model.meta").write_bytes(tf.MetaGraphDef().SerializeToString() + b"mine")
    before = quantsim.settings_inputs(Settings(encodings_file=path))
    if beside is None:
        (tmp_path / "model.meta").unlink()
    else:
        (tmp_path / "model.meta").write_bytes(beside)

    assert quantsim.settings_inputs(Settings(encodings_file=path)) != before
