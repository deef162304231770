"""What README and docs tell their readers to type: commands, and blocks of configuration and Python."""

import re
import shlex
from pathlib import Path
from typing import Iterator, List, NamedTuple

from tests.support.places import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


class Command(NamedTuple):
    """A command that a page quotes.

    Attributes:
        page: Its file name.
        name: What is called: `report`, `pytest`, `python`.
        rest: What stands behind that.
    """

    page: str
    name: str
    rest: List[str]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join([self.name, *self.rest])}"


def text(page: Path) -> str:
    """A page as it stands."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str = "") -> List[str]:
    """The code blocks of a page in a language; without one, what is typed into a shell or comes out of it."""
    return [block for found, block in FENCE.findall(text(page)) if found == language]


def commands() -> List[Command]:
    """Every command of this project that a page quotes, without the environment and the folder it is called in."""
    return [command for page in PAGES for line in _lines(page) for command in of_line(page.name, line)]


def of_line(page: str, line: str) -> Iterator[Command]:
    """The commands of this project in a line of shell."""
    for part in re.split(r"&&|;|\|", line):
        part = re.sub(r"^(\$ )?(\(?cd \S+ )?", "", part.strip())
        part = re.sub(r"^([A-Z_]+=\S+ )+", "", part)
        if part.startswith(("./run ", "quant-accuracy ", "pytest ")):
            program, *words = shlex.split(part, comments=True)
            name, *rest = [program, *words] if program == "pytest" else words
            yield Command(page, name, rest)


def typed(page: Path, block: str) -> List[str]:
    """The lines of a block as a shell gets them, those that go on below in one."""
    assert block in blocks(page)
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def _lines(page: Path) -> Iterator[str]:
    """The lines that are typed into a shell: of a page's code, of its CI examples, and within its sentences."""
    for block in blocks(page, "yaml"):
        yield from re.findall(r"^ *- (?:run: )?(\w.*)$", block, re.MULTILINE)
    for block in blocks(page):
        yield from typed(page, block)
    yield from _INLINE.findall(FENCE.sub("", text(page)))
