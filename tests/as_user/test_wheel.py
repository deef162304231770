"""From a wheel in a fresh environment, in a repository that is not ours: what the README promises to a user."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Set, Tuple

import pytest

from quant_accuracy.settings import options
from quant_accuracy.settings.card import DataPaths
from tests.support import suite
from tests.support.places import ROOT

_PACKAGES = ("quant_accuracy", "test_quant_accuracy")
_CARDS = {
    "mine_w8a8": "",
    "mine_w7a8": "quantization: {param_bitwidth: 7}\nassumptions: {symmetric_params: false}\n",
}
_CARD = """base: {base}
name: {name}
{differs}gates: {{float_mAP_floor: null, mAP_floor: null, mAP_ratio: null, class_AP_drop: null, mAP_drop: 0.1,
  float_mAP_baseline: null, float_class_AP_baseline: null, class_AP_baseline: null, mAP_baseline: {baseline},
  encodings_drift: {drift}}}
"""
_HERS = """
import os
import pytest
from fixtures import scale

# What a user may write who does not know that it is loaded already.
pytest_plugins = ["quant_accuracy.plugin"]


def test_her_own_package_is_the_one_that_is_imported():
    assert scale.HERS == 3


def test_her_own_fixture_is_the_one_that_she_gets(hers):
    assert hers == "hers"


def test_small_objects(evaluation):
    assert evaluation.quantized.metrics.AP_small > 0.05


def test_the_engine_is_that_of_the_environment():
    import quant_accuracy
    assert os.path.dirname(quant_accuracy.__file__).startswith(os.environ["EXPECTED_BELOW"])
"""
_CONFTEST = """
import pytest


@pytest.fixture
def hers():
    return "hers"
"""


class Wheel(NamedTuple):
    """The project as it is installed from a wheel: the file, and the folder of the environment."""

    path: Path
    environment: Path

    def command(self, name: str) -> str:
        """A command of the environment."""
        return str(self.environment / "bin" / name)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """A wheel of this checkout, in an environment that has it and the locked requirements, but not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in _PACKAGES:
        shutil.copytree(str(ROOT / name), str(source / name), ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(str(ROOT / name), str(source / name))
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"]
    _checked([sys.executable, *pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir",
              str(folder), str(source)])
    made, = folder.glob("*.whl")
    _checked([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
    python = str(folder / "venv" / "bin" / "python")
    packages = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()
    # Python reads no .pth files of a folder that a .pth file names, so the checkout's own stays unread.
    Path(packages, "requirements.pth").write_text(sysconfig.get_path("purelib"))
    _checked([python, *pip, "install", "--no-deps", "--no-index", "--no-compile", str(made)])
    script = folder / "venv" / "bin" / "pytest"
    script.write_text(f"#!{python}\nimport sys\nimport pytest\nsys.exit(pytest.console_main())\n")
    script.chmod(0o755)
    return Wheel(made, folder / "venv")


def _checked(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def repository(demo: DataPaths, tmp_path: Path) -> Path:
    """A repository with two cards, a baseline of one of them, tests, and a package that is called fixtures."""
    folder = tmp_path / "hers"
    for name, text in {"fixtures/__init__.py": "", "fixtures/scale.py": "HERS = 3\n", "tests/__init__.py": "",
                       "tests/test_hers.py": _HERS, "conftest.py": _CONFTEST,
                       "pytest.ini": f"[pytest]\nquant_accuracy_cache_dir = {ROOT / '.cache'}\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "models").mkdir()
    for name, differs in _CARDS.items():
        # One has a baseline, the other one is measured for the first time.
        card = _CARD.format(base=options.DEMO_CARD, name=name, differs=differs,
                            baseline="null" if differs else "jitter", drift="null" if differs else "0.01")
        (folder / "models" / f"{name}.yaml").write_text(card)
    shutil.copytree(str(ROOT / "baselines" / options.DEMO_CARD), str(folder / "baselines" / "mine_w8a8"))
    return folder


def _gates(repository: Path, pytest_command: List[str], below: Path) -> suite.Finished:
    junit = repository / "junit.xml"
    command = [*pytest_command, "--pyargs", "test_quant_accuracy", "./tests", "--model", "mine_*", "--shards", "0",
               "--report", "json", "--junitxml", str(junit)]
    done = subprocess.run(command, cwd=str(repository), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=suite.environment(EXPECTED_BELOW=str(below)))
    return suite.read(done.returncode, done.stdout, junit)


def _judged(repository: Path) -> Dict[str, List[Tuple[Any, ...]]]:
    """What the reports say of each card, without the messages: these name the command that was used."""
    found = {}
    for name in _CARDS:
        document = json.loads((repository / "output" / name / "report.json").read_text())
        found[name] = [(document["metrics"],), *((verdict["gate"], verdict["outcome"], verdict["value"],
                                                  verdict["interval"]) for verdict in document["verdicts"])]
    return found


def test_a_foreign_repository_gets_the_same_from_a_wheel_and_from_the_checkout(wheel: Wheel, repository: Path) -> None:
    installed = _gates(repository, [wheel.command("pytest"), "-n", "2"], wheel.environment / "lib")
    assert installed.status == 0, installed.said
    judged = _judged(repository)
    shutil.rmtree(str(repository / "output"))
    checkout = _gates(repository, [str(ROOT / "run"), "pytest"], ROOT)

    assert checkout.status == 0, checkout.said
    assert checkout.outcomes == installed.outcomes
    assert _judged(repository) == judged
    assert {f"test_small_objects[{name}-{name[5:]}]" for name in _CARDS} <= set(installed.outcomes)
    assert installed.outcomes["test_gate[mine_w8a8-w8a8-mAP_baseline]"] == suite.PASSED
    assert "`pytest --pyargs test_quant_accuracy --model mine_w7a8 --update-baselines`" in installed.said
    run = shlex.quote(str(ROOT / "run"))
    assert f"`{run} pytest --pyargs test_quant_accuracy --model mine_w7a8 --update-baselines`" in checkout.said
    assert installed.numbers["test_gate[mine_w8a8-w8a8-mAP_drop]"]["verdict"] == "pass"
    assert "warnings summary" not in installed.said + checkout.said


def test_the_wheel_holds_every_file_of_the_packages_and_no_other_package(wheel: Wheel) -> None:
    names = set(zipfile.ZipFile(str(wheel.path)).namelist())
    wanted = {str(path.relative_to(ROOT))
              for package in _PACKAGES for path in (ROOT / package).rglob("*")
              if path.is_file() and "__pycache__" not in path.parts}

    assert {name for name in names if ".dist-info/" not in name} == wanted


_LOADED = """
import sys
import pytest

status = pytest.main(sys.argv[1:])
print(*sorted(name for name in sys.modules if "." not in name or name.startswith("quant_accuracy.")), file=sys.stderr)
sys.exit(status)
"""


def _loaded(wheel: Wheel, folder: Path, *arguments: str) -> Set[str]:
    """The modules that a run of pytest leaves in its process: of the engine all, of others the packages."""
    (folder / "test_plain.py").write_text("def test_plain():\n    assert True\n")
    done = subprocess.run([wheel.command("python"), "-c", _LOADED, *arguments], cwd=str(folder), capture_output=True,
                          text=True, env=suite.environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    return set(done.stderr.split())


def test_a_repository_that_uses_none_of_it_loads_neither_tensorflow_nor_the_engine(wheel: Wheel,
                                                                                   tmp_path: Path) -> None:
    loaded = _loaded(wheel, tmp_path)

    assert "quant_accuracy.plugin" in loaded
    assert not loaded & {"tensorflow", "numpy", "yaml", "matplotlib", "PIL", "rich", "jinja2"}
    assert {name.split(".")[1] for name in loaded if "." in name} <= {"plugin", "settings", "base"}


def test_the_plugin_can_be_switched_off(wheel: Wheel, tmp_path: Path) -> None:
    loaded = _loaded(wheel, tmp_path, "-p", "no:quant_accuracy")

    assert not {name for name in loaded if name.startswith("quant_accuracy")}


def test_without_the_entry_point_the_checkout_loads_its_plugin_once(tmp_path: Path) -> None:
    done = subprocess.run([str(ROOT / "run"), "pytest", "--collect-only", "-q"], cwd=str(ROOT),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=suite.environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"))

    assert done.returncode == 0, done.stdout
    assert f"test_gate[{options.DEMO_CARD}-w8a8-mAP_drop]" in done.stdout


@pytest.mark.parametrize("command", ["quant-accuracy", "python -m quant_accuracy"])
def test_the_console_script_is_installed(wheel: Wheel, tmp_path: Path, command: str) -> None:
    name, *rest = command.split()
    said = subprocess.run([wheel.command(name), *rest, "--version"], cwd=str(tmp_path), stdout=subprocess.PIPE,
                          text=True, check=True, env={**os.environ, "PYTHONPATH": ""}).stdout

    assert said.startswith("quant-accuracy ")
    assert said.split()[1] in wheel.path.name
