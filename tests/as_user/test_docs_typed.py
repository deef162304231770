"""README and docs typed as they stand: commands end as the docs say, blocks of configuration and Python work."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest
import tensorflow.compat.v1 as tf
import yaml

from quant_accuracy.base import cache as caches
from quant_accuracy.commands import console
from quant_accuracy.demo import dataset, ready
from quant_accuracy.settings import card
from quant_accuracy.settings.options import DEMO_CARD
from tests.support import docs, suite
from tests.support.places import ROOT

_README, _PLUGIN = ROOT / "README.md", ROOT / "docs" / "plugin.md"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, cache: caches.Cache) -> Iterator[Path]:
    """A repository of a user whose model `mine` is the demo's, and whose cache is warm."""
    folder = tmp_path_factory.mktemp("a repository")
    (folder / "models").mkdir()
    (folder / "models" / "mine.yaml").write_text(f"base: {DEMO_CARD}\nname: mine\ngates: {{float_mAP_baseline: null, "
                                                 "mAP_baseline: null, float_class_AP_baseline: null, "
                                                 "class_AP_baseline: null, encodings_drift: null}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("QUANT_ACCURACY_CACHE_DIR", str(ROOT / ".cache"))
        # The gates of the demo, which need its baseline, are not what is tested here.
        patch.setenv("QUANT_ACCURACY_MODEL", "mine")
        yield folder


def _type(page: str, line: str) -> int:
    """Type a line of a page, which has to be there, by its command; give its exit status."""
    (command,) = docs.of_line(page, line)
    assert command in docs.commands()
    return console.main([command.name, *command.rest])


@pytest.fixture(scope="module")
def reported(repository: Path) -> Path:
    """What `report` leaves there."""
    assert _type("README.md", "./run report") == 0
    return repository / "output"


def test_reports_are_compared_as_the_docs_say(repository: Path, reported: Path) -> None:
    for name in "ABC":
        shutil.copytree(str(reported), str(repository / name))

    assert _type("report.md", "quant-accuracy compare A B C --html runs.html") == 0
    assert (repository / "runs.html").stat().st_size > 0


def test_a_repository_that_has_a_card_is_prepared_as_the_docs_say(repository: Path) -> None:
    assert _type("README.md", "./run init --name mine") == 0
    assert (repository / "pytest.ini").is_file()


def test_a_report_is_read_as_the_docs_say(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [found for found in docs.blocks(_PLUGIN, "python") if "read_report" in found]

    exec(compile(block, "docs/plugin.md", "exec"), {})

    assert re.fullmatch(r"0\.5\d+ \[\]\n", capsys.readouterr().out)


def test_the_tests_of_the_docs_pass_on_the_demo(repository: Path) -> None:
    (block,) = [found for found in docs.blocks(_PLUGIN, "python") if "def test_" in found]
    (repository / "test_mine.py").write_text(block, encoding="utf-8")

    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_mine.py"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=str(repository),
                          env=suite.environment(QUANT_ACCURACY_CACHE_DIR=str(ROOT / ".cache"),
                                                QUANT_ACCURACY_MODEL="mine", PYTHONPATH=str(ROOT)))

    assert done.returncode == 0, done.stdout
    assert f"{block.count('def test_')} passed" in done.stdout


def test_quantizers_are_overridden_as_the_docs_say(tmp_path: Path) -> None:
    (block,) = docs.blocks(ROOT / "docs" / "quantization.md", "yaml")
    (tmp_path / "mine.yaml").write_text(f"base: {DEMO_CARD}\nname: mine\n{block}", encoding="utf-8")
    (tmp_path / "my_quantsim_config.json").write_text(json.dumps({
        "defaults": {"ops": {}, "params": {}}, "params": {}, "op_type": {}, "supergroups": [], "model_input": {},
        "model_output": {}}), encoding="utf-8")

    read = card.load(str(tmp_path / "mine.yaml")).quantization

    assert [override.tensors for override in read.overrides] == list(yaml.safe_load(block)["quantization"]["overrides"])


@pytest.mark.soak
@pytest.mark.skipif(sys.version_info >= (3, 8), reason="export-checkpoint needs TensorFlow 1.15")
def test_the_five_steps_of_the_readme_lead_a_model_to_its_baseline(tmp_path: Path) -> None:
    """A training checkpoint with its pipeline.config, COCO's images and annotations; nothing is filled in."""
    _trained(tmp_path / "DIR")
    images, annotations = dataset.write_coco(tmp_path / "coco", 60, seed=4711)
    shutil.move(str(images), str(tmp_path / "val2017"))
    (tmp_path / "annotations").mkdir()
    shutil.move(str(annotations), str(tmp_path / "annotations" / "instances_val2017.json"))

    done = [_shell(line, tmp_path) for line in _five_steps()]

    assert [status for status, _ in done] == [0, 0, 0, 0, 1], done
    assert (tmp_path / "baselines" / "mine" / "quantizers.json").is_file()
    status, said = _shell("./run pytest --pyargs test_quant_accuracy", tmp_path)
    assert status == 0, said


def _five_steps() -> List[str]:
    (block,) = [found for found in docs.blocks(_README) if "export-checkpoint" in found]
    return docs.typed(_README, block)


def _shell(line: str, folder: Path) -> Tuple[int, str]:
    """A line for a shell, `./run` being that of this checkout."""
    done = subprocess.run(line.replace("./run", shlex.quote(str(ROOT / "run"))), shell=True, cwd=str(folder), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=suite.environment())
    return done.returncode, done.stdout


def _trained(folder: Path) -> None:
    """The demo's network as a training leaves it: with a step in its name, and what an optimizer keeps."""
    folder.mkdir()
    shutil.copy(str(ready.PIPELINE_CONFIG), str(folder / "pipeline.config"))
    reader = tf.train.load_checkpoint(str(ready.CHECKPOINT))
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.Variable(reader.get_tensor(name), name=name)
                     for name in reader.get_variable_to_shape_map() if name != "global_step"]
        momentum = [tf.Variable(tf.zeros_like(variable.initial_value), name=f"{variable.op.name}/Momentum")
                    for variable in variables]
        session.run(tf.global_variables_initializer())
        tf.train.Saver([*variables, *momentum]).save(session, str(folder / "model.ckpt"), global_step=20000)
