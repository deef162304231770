"""Pip: its own installation where Python comes without it, and its answers as one line."""

import base64
import hashlib
import http.client
import os
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Tuple

from failure import InstallationError

_PUBLIC = "https://pypi.org/simple"
# What pip, urllib3 and urllib say of an index that does not answer.
_UNREACHED = re.compile(r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|NameResolutionError"
                        r"|Connection refused|Temporary failure in name resolution|Name or service not known"
                        r"|Network is unreachable|No route to host")
# So it ends also where it tries an index only once.
_NONE = re.compile(r"from versions: none\).*No matching distribution found for (\S+)", re.DOTALL)
_OFFLINE = "the package index cannot be reached ({index}); check the network, or set PIP_INDEX_URL or HTTPS_PROXY"


def _index() -> str:
    return (os.environ.get("PIP_INDEX_URL") or _PUBLIC).rstrip("/")


def _shown_index() -> str:
    parts = urllib.parse.urlsplit(_index())
    # An index of a firm may bear a password.
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def run(python: str, *arguments: str) -> None:
    """Install by an environment's pip: as `pip install ARGUMENTS`.

    Raises:
        InstallationError: It failed; what pip wrote is in a file that the message names.
    """
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          close_fds=False)
    if done.returncode == 0:
        return
    log = Path(python).parents[1] / "pip.log"
    log.write_text(done.stdout)
    if _UNREACHED.search(done.stdout):
        raise InstallationError(_OFFLINE.format(index=_shown_index()) + f"; what pip said is in {log}")
    none = _NONE.search(done.stdout)
    if none:
        raise InstallationError(f"{none.group(1)} could not be had from {_shown_index()}: it cannot be reached, or has "
                                "nothing for this machine; check the network, or set PIP_INDEX_URL or HTTPS_PROXY; "
                                f"what pip said is in {log}")
    lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("WARNING")]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no word"]
    raise InstallationError(f"pip ended with {done.returncode}: {errors[-1]}; all that it said is in {log}")


def install_lock(python: str, lock: Path) -> None:
    """Install the versions of a lock, each file checked against its hashes; run's errors."""
    run(python, "--no-deps", "--require-hashes", "-r", str(lock))


def install(python: Path, lock: Path) -> None:
    """Install the locked pip into an environment that has none, as Debian's Python makes them.

    Raises:
        InstallationError: The index does not answer, or has no such file.
    """
    name, sha256 = _locked(lock)
    data = _file(name, sha256)
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder, name)
        wheel.write_bytes(data)
        # A wheel is a zip file, which Python runs.
        subprocess.run([str(python), f"{wheel}/pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)],
                       check=True, close_fds=False, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})


def _locked(lock: Path) -> Tuple[str, str]:
    found = re.search(r"^pip==(\S+) .*--hash=sha256:(\w+)", lock.read_text().replace("\\\n", " "), re.M)
    assert found, lock
    return f"pip-{found.group(1)}-py3-none-any.whl", found.group(2)


def _file(name: str, sha256: str) -> bytes:
    page = f"{_shown_index()}/pip/"
    try:
        for link in re.findall(r'href="([^"]+)"', _fetched(page).decode()):
            address = urllib.parse.urljoin(page, link.replace("&amp;", "&")).split("#")[0]
            if address.endswith(f"/{name}"):
                data = _fetched(address)
                if hashlib.sha256(data).hexdigest() != sha256:
                    raise InstallationError(f"{name} of {_shown_index()} is not the locked file: its SHA-256 differs")
                return data
    except (OSError, http.client.HTTPException) as error:
        raise InstallationError(f"{_OFFLINE.format(index=_shown_index())}: {error}") from None
    raise InstallationError(f"{_shown_index()} has no {name}; install your system's pip (Debian: python3-venv)")


def _fetched(address: str) -> bytes:
    request = urllib.request.Request(address, headers={"Accept": "text/html, */*"})
    index = urllib.parse.urlsplit(_index())
    if index.username and urllib.parse.urlsplit(address).hostname == index.hostname:
        named = f"{urllib.parse.unquote(index.username)}:{urllib.parse.unquote(index.password or '')}"
        request.add_header("Authorization", f"Basic {base64.b64encode(named.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        data: bytes = answer.read()
    return data
