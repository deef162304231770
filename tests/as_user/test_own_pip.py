"""Pip for a Python that comes without it, from an index: here one on this machine, with a pip that notes its call."""

import base64
import hashlib
import http.server
import io
import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Dict, Iterator

import pytest

from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane

_NAME = "pip-24.0-py3-none-any.whl"
_NOTES = """
import json, sys
json.dump([sys.executable, sys.argv[1:]], open({noted!r}, "w"))
"""
_INSTALL = """
import sys
from pathlib import Path
sys.path.insert(0, {requirements!r})
import own_pip
from failure import InstallationError
try:
    own_pip.install(Path(sys.executable), Path(sys.argv[1]))
except InstallationError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Address of an index whose folder is `index/simple`."""
    folder = tmp_path / "index"
    (folder / "simple" / "pip").mkdir(parents=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            with (tmp_path / "asked").open("a") as asked:
                asked.write(f"{self.headers['Authorization']}\n")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()
        thread.join()


def _wheel(noted: Path) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("pip/__main__.py", _NOTES.format(noted=str(noted)))
    return data.getvalue()


def _install(tmp_path: Path, index: str, wheel: bytes) -> "subprocess.CompletedProcess[str]":
    lock = tmp_path / "pip.lock"
    lock.write_text(f"pip==24.0 \\\n    --hash=sha256:{hashlib.sha256(wheel).hexdigest()}\n")
    environment: Dict[str, str] = {"PATH": "/usr/bin:/bin", "PIP_INDEX_URL": index, "NO_PROXY": "127.0.0.1"}
    return subprocess.run([sys.executable, "-c", _INSTALL.format(requirements=str(ROOT / "requirements")), str(lock)],
                          capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("link", ["{name}#sha256=0", "../../files/{name}", "/files/{name}"])
def test_the_locked_pip_is_found_by_its_name_and_installs_itself(tmp_path: Path, index: str, link: str) -> None:
    noted = tmp_path / "noted.json"
    wheel = _wheel(noted)
    page = tmp_path / "index" / "simple" / "pip" / "index.html"
    page.write_text(f'<a href="pip-23.9-py3-none-any.whl">x</a> <a href="{link.format(name=_NAME)}">y</a>')
    place = page.parent if link.startswith("{") else tmp_path / "index" / "files"
    place.mkdir(exist_ok=True)
    (place / _NAME).write_bytes(wheel)

    done = _install(tmp_path, index, wheel)

    assert (done.returncode, done.stderr) == (0, "")
    python, arguments = json.loads(noted.read_text())
    assert python == sys.executable
    assert arguments[:-1] == ["install", "--quiet", "--no-index", "--no-deps"]
    assert Path(arguments[-1]).name == _NAME


def test_a_file_that_is_not_the_locked_one_is_not_run(tmp_path: Path, index: str) -> None:
    page = tmp_path / "index" / "simple" / "pip" / "index.html"
    page.write_text(f'<a href="{_NAME}">x</a>')
    (page.parent / _NAME).write_bytes(_wheel(tmp_path / "noted.json") + b"more")

    done = _install(tmp_path, index, _wheel(tmp_path / "noted.json"))

    assert done.returncode == 1
    assert f"{_NAME} of {index.rstrip('/')} is not the locked file: its SHA-256 differs" in done.stderr
    assert not (tmp_path / "noted.json").exists()


def test_an_index_without_it_says_what_else_to_install(tmp_path: Path, index: str) -> None:
    (tmp_path / "index" / "simple" / "pip" / "index.html").write_text('<a href="pip-23.9-py3-none-any.whl">x</a>')

    done = _install(tmp_path, index, b"")

    assert done.returncode == 1
    assert f"has no {_NAME}; install your system's pip (Debian: python3-venv)" in done.stderr


@pytest.mark.parametrize("port", [":9", ""])
def test_a_password_of_an_index_is_not_shown(tmp_path: Path, port: str) -> None:
    done = _install(tmp_path, f"http://somebody:secret@localhost{port}/simple", b"")

    assert done.returncode == 1
    assert "secret" not in done.stderr
    assert f"the package index cannot be reached (http://localhost{port}/simple)" in done.stderr


def test_a_password_of_an_index_is_given_to_it_alone(tmp_path: Path, index: str) -> None:
    noted = tmp_path / "noted.json"
    wheel = _wheel(noted)
    page = tmp_path / "index" / "simple" / "pip" / "index.html"
    page.write_text(f'<a href="{_NAME}">x</a>')
    (page.parent / _NAME).write_bytes(wheel)

    done = _install(tmp_path, index.replace("//", "//somebody:a%40b@"), wheel)

    assert (done.returncode, done.stderr) == (0, "")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"Basic {base64.b64encode(b'somebody:a@b').decode()}"] * 2
