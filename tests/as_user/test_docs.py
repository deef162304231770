"""README and docs: links lead somewhere, commands can be typed as they stand, CI examples are valid."""

import importlib.util
import re
import shlex
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Set

import pytest
import yaml
from PIL import Image

from quant_accuracy.commands import console, init
from quant_accuracy.reporting.page import pages
from quant_accuracy.settings.options import SUITE_OPTIONS
from tests.support.places import ROOT
from tests.support.report_documents import everything
from tools import page_picture

_PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# Programs of others that docs start in the environment of a lane.
_PROGRAMS = {"pip", "python", "ray", "ruff", "mypy", "true"}


class Command(NamedTuple):
    """A command that a page quotes."""

    page: str
    words: List[str]


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _anchors(page: Path) -> Set[str]:
    """The headings of a page as GitHub and GitLab make anchors of them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(page: Path) -> List[str]:
    return [link for link in _LINK.findall(_FENCE.sub("", _text(page))) if not link.startswith(("http:", "https:"))]


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(_text(ROOT / "README.md").splitlines()) <= 120


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    dead = []
    for page in _PAGES:
        for link in _links(page):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                dead.append(f"{page.name}: {link}")

    assert dead == []


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in _links(ROOT / "README.md")}

    assert [page.name for page in _PAGES if page != ROOT / "README.md" and page not in linked] == []


def test_the_picture_in_the_readme_is_small_and_as_wide_as_the_tool_makes_it() -> None:
    picture = (ROOT / "docs" / "page.png").read_bytes()

    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == page_picture.SIZE
    assert len(picture) <= page_picture.LARGEST


def _lines(page: Path) -> Iterator[str]:
    """The lines of a page that are typed into a shell: of its code, of its CI examples, and within its sentences."""
    text = _text(page)
    for language, block in _FENCE.findall(text):
        if language == "yaml":
            yield from re.findall(r"^ *- (?:run: )?(\w.*)$", block, re.MULTILINE)
        elif not language:
            yield from block.replace("\\\n", " ").splitlines()
    yield from _INLINE.findall(_FENCE.sub("", text))


def _commands() -> List[Command]:
    found = []
    for page in _PAGES:
        for line in _lines(page):
            for part in re.split(r"&&|;|\|", line):
                part = re.sub(r"^(\$ )?(\(?cd \S+ )?", "", part.strip())
                part = re.sub(r"^([A-Z_]+=\S+ )+", "", part)
                if part.startswith(("./run ", "quant-accuracy ", "pytest ")):
                    words = shlex.split(part, comments=True)
                    found.append(Command(page.name, words[1:] if words[0] == "./run" else words))
    return found


def _flags(words: List[str]) -> Set[str]:
    return {word.partition("=")[0] for word in words if re.match(r"--\w", word)}


@pytest.fixture(scope="module")
def pytest_flags() -> Set[str]:
    """What pytest takes, ours included."""
    said = subprocess.run([sys.executable, "-m", "pytest", "--help"], cwd=str(ROOT), stdout=subprocess.PIPE,
                          text=True, check=True).stdout
    return {*re.findall(r"--[\w-]+", said), *(option.flag for option in SUITE_OPTIONS), "--junitxml"}


def _known_flags(command: str, capsys: pytest.CaptureFixture[str]) -> Set[str]:
    with pytest.raises(SystemExit):
        console.main([command, "--help"])
    return set(re.findall(r"--[\w-]+", capsys.readouterr().out))


def test_every_command_and_every_option_in_the_docs_is_there(pytest_flags: Set[str],
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    own = re.findall(r'^own="(.*)"', _text(ROOT / "run"), re.MULTILINE)[0].split()
    flags: Dict[str, Set[str]] = {name: _known_flags(name, capsys) for name in console.COMMANDS}
    commands = _commands()
    wrong = []
    for page, words in commands:
        name, *rest = words[1:] if words[0] == "quant-accuracy" else words
        if name in ("COMMAND", "ANYTHING", "..."):
            continue
        if name == "pytest" or name == "test":
            unknown = _flags(rest) - pytest_flags
        elif name in console.COMMANDS:
            unknown = _flags(rest) - flags[name]
        elif name == "python" and rest[:1] == ["-m"]:
            unknown = set() if importlib.util.find_spec(rest[1]) else {rest[1]}
        elif name == "python":
            unknown = set() if (ROOT / rest[0]).is_file() else {rest[0]}
        else:
            unknown = set() if name in _PROGRAMS or name in own else {name}
        wrong += [f"{page}: {' '.join(words)}: {each}" for each in unknown]

    assert len(commands) > 60
    assert wrong == []


def _examples(page: str) -> Dict[str, Any]:
    """The CI examples of a page, by the file that their first line names."""
    found = {}
    for language, block in _FENCE.findall(_text(ROOT / page)):
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
