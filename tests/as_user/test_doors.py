"""Two doors, one judgement: pytest and the report say the same of the same input, and end with the same status."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Set, Tuple

import pytest
import yaml

from quant_accuracy.base.cache import Cache
from quant_accuracy.demo import ready
from quant_accuracy.judging import checks
from quant_accuracy.quantization.configuration import BIAS, WEIGHT, Configuration, ParamRule
from quant_accuracy.reporting.document import read_report
from quant_accuracy.settings import folders, options
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.card_files import SHIPPED
from quant_accuracy.settings.gates import ENCODINGS_DRIFT, OF_BASELINE
from quant_accuracy.settings.values import Values
from tests.mutations import inputs, plugin
from tests.support import suite
from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane

_REPORT = ("import sys; from tests.mutations import plugin; plugin.pytest_collection_finish(); "
           "from quant_accuracy.commands import report; sys.exit(report.main(sys.argv[1:]))")
# As few images as show whether the network is built as it should be.
_FEW = ("--shards", "2")
_DRIFT = ENCODINGS_DRIFT
_WORST_FIRST = ("fail", "inconclusive", "known", "pass")


class Doors(NamedTuple):
    """What both doors said of one input: outcomes by gate and check."""

    suite: suite.Finished
    tests: Dict[str, str]
    status: int
    report: Dict[str, str]
    page: str

    def red(self) -> Set[str]:
        """What failed, by either door."""
        return {name for side in (self.tests, self.report) for name, outcome in side.items() if outcome == "fail"}


def _both(folder: Path, arguments: Sequence[str], broken: str = "") -> Doors:
    more = ["-p", plugin.__name__] if broken else []
    tests, pages = folder / "pytest", folder / "report"
    done = suite.run(folder, "--threads", "1", "--no-why", "--report", "json", "--output-dir", str(tests), *more,
                     *arguments, **{plugin.VARIABLE: broken})
    start = ["-c", _REPORT] if broken else [str(ROOT / "tools" / "report.py")]
    report = subprocess.run([sys.executable, *start, "--threads", "1", "--output-dir", str(pages), *arguments],
                            cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=suite.environment(**{plugin.VARIABLE: broken}))
    assert (pages / "report.json").exists(), report.stdout
    documents = [json.loads(_without_commands((side / "report.json").read_text())) for side in (tests, pages)]
    assert documents[0]["verdicts"] == documents[1]["verdicts"]
    assert documents[0]["notes"] == documents[1]["notes"]
    for note in documents[0]["notes"]:
        assert note in done.said
        assert note in report.stdout
    outcomes = {verdict["gate"]: verdict["outcome"] for verdict in documents[1]["verdicts"]}
    for name, outcome in outcomes.items():
        assert any(line.split()[0::len(line.split()) - 1] == [name, outcome] for said in (done.said, report.stdout)
                   for line in said.splitlines() if line.startswith(f"{name} ")), name
    return Doors(done, _of_tests(done), report.returncode, outcomes, (pages / "report.html").read_text())


def _without_commands(text: str) -> str:
    """A text without the commands that it quotes: each door names its own."""
    return re.sub(r"`[^`]*`", "`...`", text)


def _of_tests(done: suite.Finished) -> Dict[str, str]:
    """The outcome of each gate and check, from the tests themselves: of several that are one check, the worst."""
    found: Dict[str, List[str]] = {}
    for test, numbers in done.numbers.items():
        if "gate" in numbers:
            assert numbers["verdict"] in {suite.PASSED: ["pass"], suite.FAILED: ["fail"],
                                          suite.SKIPPED: ["inconclusive", "known"]}[done.outcomes[test]]
            found.setdefault(numbers["gate"], []).append(numbers["verdict"])
    return {name: next(worst for worst in _WORST_FIRST if worst in outcomes)
            for name, outcomes in found.items()}


def _agree(doors: Doors, status: int) -> None:
    assert doors.tests == doors.report
    assert (doors.suite.status, doors.status) == (status, status), doors.suite.said
    worst = next(worst for worst in _WORST_FIRST if worst in doors.report.values())
    # It leads to the first verdict of its kind, where there is one.
    assert re.search(f'<(span|a) class="verdict {worst}"[^>]*>{worst}</', doors.page.split("</header>")[0])
    assert f"{sum(name in _CHECKS for name in doors.report)} checks: " in doors.page


_CHECKS = {checks.BATCH_NORMS, checks.WEIGHTS, checks.BIASES, checks.ACTIVATIONS, checks.INPUTS, checks.OUTPUTS,
           checks.SNAPSHOT, checks.BITWIDTHS, checks.USABLE, _DRIFT, checks.COVERAGE}


@pytest.mark.parametrize("arguments", [(), ("--shards", "0-1")], ids=["whole", "part"])
def test_the_healthy_demo_is_green(demo: DataPaths, tmp_path: Path, arguments: Tuple[str, ...]) -> None:
    doors = _both(tmp_path, arguments)

    _agree(doors, 0)
    assert doors.red() == set()
    assert {doors.report[name] for name in _CHECKS} == {"pass"}


def _changed_snapshot(folder: Path) -> Sequence[str]:
    """The demo's baseline, where a quantizer is another one."""
    shutil.copytree(str(ROOT / "baselines"), str(folder / "baselines"))
    path = folder / "baselines" / options.DEMO_CARD / "quantizers.json"
    path.write_text(path.read_text().replace('"tensor": "concat_1:0"', '"tensor": "concat_7:0"'))
    return ["--baseline-dir", str(folder / "baselines"), *_FEW]


def _moved_range_and_images_in_no_shard(folder: Path) -> Sequence[str]:
    """The demo's baseline, where a range lies elsewhere, and its annotations with eight more images."""
    shutil.copytree(str(ROOT / "baselines"), str(folder / "baselines"))
    path = folder / "baselines" / options.DEMO_CARD / "quantizers.json"
    placed = json.loads(path.read_text())
    next(item for item in placed if item["enabled"])["ranges"][0][1] *= 2
    path.write_text(json.dumps(placed))
    demo = ready.data_paths(Cache(ROOT / ".cache"))
    document = json.loads(demo.annotations.read_text())
    last = max(image["id"] for image in document["images"])
    document["images"] += [{**document["images"][0], "id": last + number, "file_name": f"more_{number}.jpg"}
                           for number in range(1, 9)]
    (folder / "instances.json").write_text(json.dumps(document))
    return ["--model", options.DEMO_CARD, "--annotation-json-file", str(folder / "instances.json"), "--baseline-dir",
            str(folder / "baselines")]


def _configured(**changes: Any) -> Callable[[Path], Sequence[str]]:
    return lambda folder: [*inputs.configured(Configuration(**changes))(folder), *_FEW]


_BROKEN: Dict[str, Tuple[Callable[[Path], Sequence[str]], str, Set[str]]] = {
    "another quantizer in the snapshot": (_changed_snapshot, "", {checks.SNAPSHOT}),
    "another range in the snapshot, images in no shard": (_moved_range_and_images_in_no_shard, "",
                                                         {_DRIFT, checks.COVERAGE}),
    "biases quantized, weights and outputs not": (
        _configured(params={WEIGHT: ParamRule(False), BIAS: ParamRule(True)}, model_output=False), "",
        {checks.BIASES, checks.WEIGHTS, checks.OUTPUTS, checks.SNAPSHOT}),
    "per-channel weights": (_configured(per_channel=True), "", {checks.SNAPSHOT, _DRIFT}),
    "model input quantized": (lambda folder: [*inputs.earlier_start(folder), *_FEW], "",
                              {checks.INPUTS, checks.SNAPSHOT}),
    "one encoding at 4 bits": (lambda folder: _FEW, "encoding with few bits", {checks.BITWIDTHS}),
    "a quantizer switched off": (lambda folder: _FEW, "quantizer switched off", {checks.ACTIVATIONS, checks.SNAPSHOT}),
    "a batch norm not folded": (lambda folder: _FEW, "batch norm not folded",
                                {checks.BATCH_NORMS, checks.SNAPSHOT, _DRIFT}),
}


# The others turn the same checks red, which `tests/as_user/test_mutations.py` sees at one door.
_QUICK = ("another range in the snapshot, images in no shard", "biases quantized, weights and outputs not",
          "one encoding at 4 bits")


@pytest.mark.parametrize("name", [name if name in _QUICK else pytest.param(name, marks=pytest.mark.soak)
                                  for name in _BROKEN])
def test_what_one_door_shows_red_the_other_shows_red(demo: DataPaths, tmp_path: Path, name: str) -> None:
    make, broken, red = _BROKEN[name]

    doors = _both(tmp_path, make(tmp_path), broken)

    _agree(doors, 1)
    assert doors.red() & _CHECKS == red


def test_every_check_but_that_of_files_that_are_refused_is_turned_red_here() -> None:
    # An encoding that cannot be used is refused when the artifacts are read: nothing is measured by either door.
    assert {check for _, _, red in _BROKEN.values() for check in red} == _CHECKS - {checks.USABLE}


def _plain_card(folder: Path) -> str:
    """The demo's card with a gate that needs no baseline, and no other."""
    document = yaml.safe_load((SHIPPED / f"{options.DEMO_CARD}.yaml").read_text())
    document["gates"] = {"mAP_ratio": 0.5}
    (folder / "card.yaml").write_text(yaml.safe_dump(document))
    return str(folder / "card.yaml")


@pytest.mark.parametrize(("asked", "more", "outcome", "status"), [
    (True, (), "fail", 1), (False, (), "inconclusive", 0), (False, ("--strict",), "inconclusive", 1),
], ids=["asked for", "not asked for", "strict"])
def test_without_a_snapshot_both_say_how_to_make_one_and_are_red_where_the_card_asks_for_it(
        demo: DataPaths, tmp_path: Path, asked: bool, more: Tuple[str, ...], outcome: str, status: int) -> None:
    model = options.DEMO_CARD if asked else _plain_card(tmp_path)
    arguments = ["--model", model, "--baseline-dir", str(tmp_path / "none"), *_FEW, *more]
    done = suite.run(tmp_path, "-k", "snapshot", *arguments)
    report = subprocess.run([sys.executable, str(ROOT / "tools" / "report.py"), "--threads", "1",
                             "--output-dir", str(tmp_path), *arguments], cwd=str(ROOT),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=suite.environment())

    found = {verdict.gate: verdict for verdict in read_report.read_run(tmp_path).verdicts}
    assert (done.status, report.returncode) == (status, status)
    for check in (checks.SNAPSHOT, _DRIFT):
        (test,) = [test for test, numbers in done.numbers.items() if numbers.get("gate") == check]
        assert (found[check].outcome, done.numbers[test]["verdict"]) == (outcome, outcome)
        assert "--update-baselines" in found[check].message
        assert _without_commands(found[check].message) in _without_commands(done.messages[test])
        assert found[check].message in report.stdout


def test_what_is_known_to_fail_is_told_apart_and_not_red(demo: DataPaths, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({
        "base": options.DEMO_CARD, "name": "mine", "known_failures": {checks.BITWIDTHS: "AIMET #456"},
        "gates": {"mAP_drop": {"limit": -0.9, "known_failure": "until the next training, #123"},
                  **dict.fromkeys([*OF_BASELINE, _DRIFT])}}))

    doors = _both(tmp_path, ["--model", str(tmp_path / "mine.yaml"), *_FEW], "encoding with few bits")

    _agree(doors, 0)
    assert {name for name, outcome in doors.report.items() if outcome == "known"} == {"mAP_drop", checks.BITWIDTHS}
    assert "known: until the next training, #123: mAP drop" in doors.suite.said
    assert "until the next training, #123: mAP drop" in doors.page
    known = [test for test, numbers in doors.suite.numbers.items() if numbers.get("verdict") == "known"]
    assert len(known) == 2
    assert all(doors.suite.messages[test].startswith("known failure: ") for test in known)


def test_notes_are_told_by_both(demo: DataPaths, tmp_path: Path) -> None:
    doors = _both(tmp_path, _configured(strict=True, unsigned=False)(tmp_path))

    _agree(doors, 0)
    assert "strict_symmetric: True changes nothing" in doors.page


def test_pytest_exports_the_very_simulation_that_the_report_exports_with_workers_too(demo: DataPaths,
                                                                                    tmp_path: Path) -> None:
    report = subprocess.run([sys.executable, str(ROOT / "tools" / "report.py"), *_FEW, "--output-dir",
                             str(tmp_path / "out"), "--quantsim-output-dir", str(tmp_path / "report")],
                            cwd=str(ROOT), stdout=subprocess.PIPE, env=suite.environment())
    exported = {path.name for path in (tmp_path / "report").iterdir()}

    assert report.returncode == 0
    assert {"model.encodings", "model.meta"} <= exported
    for name, more in (("alone", ()), ("workers", ("-n", "2"))):
        folder = tmp_path / name
        done = suite.run(tmp_path, "-k", "batch_norms or weights", "--quantsim-output-dir", str(folder), *more)
        assert done.status == 0, done.said
        assert {path.name for path in folder.iterdir()} == exported
        for file in ("model.encodings", "quantizers.json", "quantsim.pb"):
            assert (folder / file).read_bytes() == (tmp_path / "report" / file).read_bytes()
        # Once, whichever workers had it.
        assert done.said.count(f"wrote {folder / 'model.encodings'}\n") == 1


def test_of_several_models_each_is_exported_to_a_folder_of_its_own() -> None:
    one, two = (Values({"model": models, "quantsim_output_dir": Path("out")}) for models in (["a"], ["a", "b"]))

    assert folders.quantsim(one, "a") == Path("out")
    assert [folders.quantsim(two, model) for model in ("a", "b")] == [Path("out/a"), Path("out/b")]
    assert folders.quantsim(Values({}), "a") is None


def test_an_export_that_no_test_makes_is_told(tmp_path: Path) -> None:
    done = suite.run(tmp_path, "-k", "no_such_test", "--quantsim-output-dir", str(tmp_path / "a"))

    assert "no quantization simulation was exported: none of the selected tests makes one" in done.said
    assert not (tmp_path / "a").exists()
