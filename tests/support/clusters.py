"""Ray clusters for tests: every node is started as its user does, a group of processes of its own on loopback."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List

from tests.support import processes, suite

# Of the addresses of loopback, Ray takes the first for a mistake. Each node has its own, as if it were a machine.
_HEAD = 2
_STORE = "100000000"
_ACTOR = b"ray::ShardActor"


class Cluster:
    """A head without slots, and nodes with one slot each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"{_host(_HEAD)}:{_free_port()}"
        self.nodes: "List[subprocess.Popen[bytes]]" = []
        self._head = self._start(_HEAD, "--head", f"--port={self.address.split(':')[1]}", "--num-cpus=0",
                                 "--include-dashboard=false", f"--temp-dir={folder}")

    def add_node(self) -> "subprocess.Popen[bytes]":
        """Start a node."""
        home = self._folder / "session_latest" / "node_ip_address.json"
        # Newer versions keep no such file.
        said = home.read_text() if home.exists() else None
        self.nodes.append(self._start(_HEAD + 1 + len(self.nodes), f"--address={self.address}", "--num-cpus=1"))
        # A machine has one node, so Ray believes, and it would be the last: drivers are at home at the head.
        if said is not None:
            home.write_text(said)
        return self.nodes[-1]

    def _start(self, number: int, *arguments: str) -> "subprocess.Popen[bytes]":
        said = self._folder / f"node-{number}.log"
        command = [str(Path(sys.executable).parent / "ray"), "start", f"--node-ip-address={_host(number)}",
                   f"--object-store-memory={_STORE}", "--disable-usage-stats", "--block", *arguments]
        with open(str(said), "wb") as output:
            # Its folder is not that of the reports: what is relative to theirs is not seen here.
            process = subprocess.Popen(command, cwd=str(self._folder), stdout=output, stderr=subprocess.STDOUT,
                                       start_new_session=True, env=_environment())
        assert processes.until(lambda: "Ray runtime started" in said.read_text() or process.poll() is not None, 60.0)
        assert process.poll() is None, said.read_text()
        return process

    def actors(self) -> Dict[int, int]:
        """The processes of actors, by their node's."""
        return {node.pid: child for node in self.nodes for child in processes.descendants(node.pid)
                if _ACTOR in processes.command_line(child)}

    def kill(self, node: "subprocess.Popen[bytes]") -> None:
        """Kill everything that runs on a node, as a power cut would."""
        # Newer versions give workers groups of their own.
        for process in [node.pid, *processes.descendants(node.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        node.wait()

    def close(self) -> None:
        """Kill all nodes."""
        for node in [*self.nodes, self._head]:
            self.kill(node)


@contextlib.contextmanager
def running(nodes: int) -> Iterator[Cluster]:
    """A cluster with so many nodes beside its head."""
    # The names of Ray's sockets become too long below pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="qa.ray."))
    cluster = Cluster(folder)
    try:
        for _ in range(nodes):
            cluster.add_node()
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(str(folder), ignore_errors=True)


def _environment() -> Dict[str, str]:
    return suite.environment(RAY_USAGE_STATS_ENABLED="0")


def _host(number: int) -> str:
    return f"127.0.0.{number}"


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind((_host(_HEAD), 0))
        port: int = probe.getsockname()[1]
    return port
