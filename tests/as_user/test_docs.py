"""README and docs: links lead somewhere, commands can be typed as they stand, CI examples are valid."""

import importlib.util
import re
import shutil
import struct
from pathlib import Path
from typing import Any, Callable, Dict, List, Set

import pytest
import yaml
from _pytest.config import get_config
from PIL import Image

from quant_accuracy.base import command_line
from quant_accuracy.commands import console, init
from quant_accuracy.reporting.page import pages
from tests.support import docs
from tests.support.places import ROOT
from tests.support.report_documents import everything
from tools import page_picture

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# Programs of others that docs start in the environment of a lane.
_PROGRAMS = {"pip", "ray", "ruff", "mypy", "true"}
# What stands for a command, and for arguments.
_ANY = {"COMMAND", "ANYTHING", "..."}
_Parse = Callable[[docs.Command], str]


def _anchors(page: Path) -> Set[str]:
    """The headings of a page as GitHub and GitLab make anchors of them."""
    headings = re.findall(r"^#+ (.*)$", docs.FENCE.sub("", docs.text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(page: Path) -> List[str]:
    links = _LINK.findall(docs.FENCE.sub("", docs.text(page)))
    return [link for link in links if not link.startswith(("http:", "https:"))]


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(docs.text(ROOT / "README.md").splitlines()) <= 120


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    dead = []
    for page in docs.PAGES:
        for link in _links(page):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                dead.append(f"{page.name}: {link}")

    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in _links(ROOT / "README.md")}

    assert [page.name for page in docs.PAGES if page != ROOT / "README.md" and page not in linked] == []


def test_the_picture_in_the_readme_is_small_and_as_wide_as_the_tool_makes_it() -> None:
    picture = (ROOT / "docs" / "page.png").read_bytes()

    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == page_picture.SIZE
    assert len(picture) <= page_picture.LARGEST


def _fault_of_pytest(command: docs.Command) -> str:
    """What pytest, with our options, has against the arguments of a command; nothing is collected."""
    given = [word for word in command.rest if word not in _ANY]
    config = get_config(given)
    try:
        config.parse(given)
    except pytest.UsageError as error:
        return str(error)
    finally:
        config._ensure_unconfigure()
    return ""


def _fault_of_ours(command: docs.Command, capsys: pytest.CaptureFixture[str]) -> str:
    """What the parser of a command of ours has against its arguments, whose work is not done."""
    given = [word for word in command.rest if word not in _ANY]
    if not given:
        # A name in a sentence.
        return ""
    try:
        console.main([command.name, *given])
    except SystemExit:
        return capsys.readouterr().err
    return ""


def _fault_of_python(command: docs.Command) -> str:
    first, *more = command.rest
    there = importlib.util.find_spec(more[0]) if first == "-m" else (ROOT / first).is_file()
    return "" if there else f"{(more or [first])[0]} is not there"


@pytest.fixture
def fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> _Parse:
    """A function that says what is wrong with a command, as far as parsing it tells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setattr(command_line, "exit_status", lambda work: command_line.MEASURED)
    own = re.findall(r'^own="(.*)"', docs.text(ROOT / "run"), re.MULTILINE)[0].split()

    def found(command: docs.Command) -> str:
        if command.name in ("pytest", "test", "soak"):
            return _fault_of_pytest(command)
        if command.name in console.COMMANDS:
            return _fault_of_ours(command, capsys)
        if command.name == "python":
            return _fault_of_python(command)
        known = command.name in {*_ANY, *_PROGRAMS, *own}
        return "" if known else f"{command.name} is no command"

    return found


def test_every_command_in_the_docs_can_be_parsed_with_its_options_and_their_values(fault: _Parse) -> None:
    commands = docs.commands()
    faults = [(str(command), fault(command)) for command in commands]

    assert len(commands) > 60
    assert [found for found in faults if found[1]] == []


@pytest.mark.parametrize(("line", "said"), [
    ("./run report --runtime foo", "argument --runtime: 'foo' is unknown"),
    ("quant-accuracy repair --model mine --remedies equalisation", "argument --remedies"),
    ("quant-accuracy compare A", "required: B"), ("quant-accuracy report --modle x", "did you mean --model?"),
    ("pytest --pyargs test_quant_accuracy --report htm", "argument --report"),
    ("pytest -n 2 --shrads 0-3", "--shrads"), ("./run soak --threads 0", "argument --threads"),
    ("./run rpeort", "rpeort is no command"), ("./run python -m benchmarks.nothing", "benchmarks.nothing is not there"),
])
def test_a_command_that_cannot_be_typed_is_found(line: str, said: str, fault: _Parse) -> None:
    (command,) = docs.of_line("page.md", line)

    assert said in fault(command)


def _examples(page: str) -> Dict[str, Any]:
    """The CI examples of a page, by the file that their first line names."""
    found = {}
    for language, block in docs.FENCE.findall(docs.text(ROOT / page)):
        name = re.match(r"# (\S+\.yml)\n", block)
        if language == "yaml" and name:
            found[name.group(1)] = yaml.load(block, Loader=yaml.BaseLoader)
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/ci.md"])
def test_the_example_for_github_actions_is_a_workflow(page: str) -> None:
    (workflow,) = [found for name, found in _examples(page).items() if name.startswith(".github/workflows/")]

    assert set(workflow) <= {"name", "on", "jobs", "env", "permissions", "concurrency", "defaults"}
    assert set(workflow["on"]) <= {"push", "pull_request", "schedule", "workflow_dispatch"}
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-22.04"
        for step in job["steps"]:
            assert set(step) <= {"name", "id", "if", "uses", "run", "with", "env"}
            assert ("uses" in step) != ("run" in step)
            assert "with" not in step or "uses" in step
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])


@pytest.mark.parametrize("page", ["README.md", "docs/ci.md"])
def test_the_example_for_gitlab_is_a_pipeline(page: str) -> None:
    pipeline = _examples(page)[".gitlab-ci.yml"]

    for job in pipeline.values():
        assert set(job) <= {"image", "cache", "script", "artifacts", "before_script", "variables", "rules"}
        assert all(isinstance(line, str) for line in job["script"])
        assert set(job["artifacts"]) <= {"when", "paths", "reports", "expire_in"}
        assert job["artifacts"]["when"] in ("on_success", "on_failure", "always")
        assert isinstance(job["artifacts"]["paths"], list)
        assert set(job["artifacts"]["reports"]) == {"junit"}


def test_the_workflow_of_the_docs_is_the_one_that_init_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert init.main([]) == 0
    name = ".github/workflows/quant-accuracy.yml"
    written = yaml.load((tmp_path / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)

    assert _examples("docs/ci.md")[name] == written


@pytest.mark.skipif(not any(map(shutil.which, page_picture.BROWSERS)), reason="no Chromium is on PATH")
def test_the_tool_draws_a_page_as_it_is_in_the_readme(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(pages.render(everything(), "html", tmp_path), encoding="utf-8")

    assert page_picture.main([str(page), str(tmp_path / "page.png")]) == 0

    with Image.open(str(tmp_path / "page.png")) as drawn:
        assert drawn.size == page_picture.SIZE
        # Text on a background, and not one colour.
        assert len(drawn.convert("RGB").getcolors(1 << 24)) > 20


def test_a_page_that_is_not_there_ends_the_tool_with_one_line(tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    assert page_picture.main([str(tmp_path / "report.html"), str(tmp_path / "page.png")]) == 2

    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "page.png").exists()
