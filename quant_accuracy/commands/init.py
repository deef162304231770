"""Write what a repository needs to test a model: a model card, the lines of pytest.ini, a CI example, .gitignore.

Asks nothing and overwrites nothing; says what it wrote and what comes next.
"""

import configparser
import re
from pathlib import Path
from typing import List, Optional

import yaml

from quant_accuracy.base import command_line, files, invocation
from quant_accuracy.base.errors import ConfigurationError

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_WORKFLOW = Path(".github", "workflows", "quant-accuracy.yml")
# What can be made again.
_IGNORED = ("/.cache/", "/output/")
# Where pytest reads its settings, in the order in which it looks; a file counts when it has the section.
_SETTINGS = (("pytest.ini", ""), (".pytest.ini", ""), ("pyproject.toml", "tool.pytest.ini_options"),
             ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command line; return the exit status."""
    parser = command_line.Parser(prog="quant-accuracy init", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--name", default="mine", metavar="NAME", help="name of the model card (default mine)")
    name = parser.parse_args(arguments).name
    return command_line.exit_status(lambda: _init(Path(), name))


def _init(root: Path, name: str) -> int:
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name):
        raise ConfigurationError(f"--name {name}: names a file and tests; use letters, digits, '_', '.' and '-'")
    card = Path("models", f"{name}.yaml")
    _write(root, card, name)
    _settings(root, name)
    _write(root, _WORKFLOW, name)
    _gitignore(root)
    gates = f"{invocation.pytest()} {invocation.GATES}"
    print(f"""
next:
  1. say in {card} where checkpoint and data lie, and what accuracy may be lost
  2. {invocation.command("check-card")} {card}
  3. {gates}
  4. {gates} --update-baselines, and commit baselines/{name}""")
    return command_line.MEASURED


def _write(root: Path, path: Path, name: str) -> None:
    if (root / path).exists():
        print(f"kept {path}, which is there already")
        return
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    files.write_text(root / path, _filled(path.name if path == _WORKFLOW else "card.yaml", name))
    print(f"wrote {path}")


def _settings(root: Path, name: str) -> None:
    lines = _filled("pytest.ini", name)
    found = settings_file(root)
    if found is None:
        files.write_text(root / "pytest.ini", f"[pytest]\n{lines}")
        print("wrote pytest.ini")
    elif "quant_accuracy_model" in found.read_text(encoding="utf-8"):
        print(f"kept {found.name}, which names a model card already")
    else:
        if found.suffix == ".toml":
            lines = re.sub(r"^(quant_accuracy_\w+ = )(.*)$", r'\1"\2"', lines, flags=re.MULTILINE)
        print(f"kept {found.name}, which pytest reads already; add to it:\n")
        print("".join(f"    {line}\n" for line in lines.splitlines()))


def _gitignore(root: Path) -> None:
    """Keep what can be made again out of commits."""
    path = root / ".gitignore"
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in _IGNORED if line not in known]
    if not path.exists():
        files.write_text(path, "".join(f"{line}\n" for line in _IGNORED))
        print("wrote .gitignore")
    elif missing:
        print(f"kept .gitignore, which is there already; add to it: {' '.join(missing)}")


def settings_file(root: Path) -> Optional[Path]:
    """The file in a folder that pytest reads its settings from; None where there is none."""
    return next((root / name for name, section in _SETTINGS
                 if (root / name).is_file() and (not section or _has(root / name, section))), None)


def _has(path: Path, section: str) -> bool:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return re.search(rf"^\s*\[{re.escape(section)}\]", text, flags=re.MULTILINE) is not None
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return f"[{section}]" in text
    return parser.has_section(section)


def _filled(template: str, name: str) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    if not isinstance(yaml.safe_load(name), str):
        # YAML takes names such as 8 and off for something else.
        text = text.replace("name: @NAME@\n", 'name: "@NAME@"\n')
    return text.replace("@NAME@", name)
