"""Writes the locks of the lane tensorflow2 anew, from the .in files beside it: `python lock.py [NAME...]`.

One lock holds for every Python and machine of the lane: markers tell versions apart, and every wheel that fits one of
them has its hash and its name. Nothing is built from source: where a machine would find no wheel, this fails.
It needs uv and packaging, which the lane has.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

HERE = Path(__file__).resolve().parent

# A lock, and those that it is installed on top of: no package is in two.
LOCKS: Dict[str, List[str]] = {"tensorflow2": [], "ray-tensorflow2": ["tensorflow2"], "aimet-onnx": ["tensorflow2"],
                               "aimet-onnx-cuda": ["tensorflow2", "aimet-onnx"],
                               "browser-tensorflow2": ["tensorflow2"]}
# They send home how they are used, and nothing needs them.
LEFT_OUT = ["openvino-telemetry"]
# What a package asks for and nothing here imports: plots, other algorithms, compilers; or what another lock holds.
EXCLUDED: Dict[str, List[str]] = {
    "aimet-onnx": ["cuda-bindings", "cuda-toolkit", "hvplot", "nvidia-cublas", "nvidia-cudnn-cu13",
                   "nvidia-cusparselt-cu13", "nvidia-nccl-cu13", "nvidia-nvshmem-cu13", "onnx2torch", "osqp",
                   "pybind11", "triton"],
    "aimet-onnx-cuda": ["triton"],
}
# Whoever asks for TensorFlow gets the one that the lane has for that machine.
OVERRIDE = 'tensorflow==2.21.0 ; sys_platform != "linux" or platform_machine != "x86_64"'
# Of Debian 12: wheels that ask for a newer one are no help there.
GLIBC = (2, 36)


class Machine(NamedTuple):
    """A Python on a platform that the lane supports."""

    python: Tuple[int, int]
    system: str
    machine: str

    @property
    def marker_values(self) -> Dict[str, str]:
        """What markers are judged by."""
        version = "{}.{}".format(*self.python)
        return {"python_version": version, "python_full_version": f"{version}.1", "implementation_name": "cpython",
                "platform_python_implementation": "CPython", "sys_platform": self.system, "os_name": "posix",
                "platform_machine": self.machine, "platform_system": self.system.capitalize(), "extra": ""}

    def takes(self, wheel: str) -> bool:
        """Whether pip would take a wheel, by its name."""
        return any(self._interpreter(tag.interpreter, tag.abi) and self._platform(tag.platform)
                   for tag in parse_wheel_filename(wheel)[3])

    def _interpreter(self, interpreter: str, abi: str) -> bool:
        own = "cp{}{}".format(*self.python)
        if abi == "none":
            return interpreter in ("py3", own, "py{}{}".format(*self.python))
        if abi == "abi3":
            return interpreter.startswith("cp3") and int(interpreter[3:]) <= self.python[1]
        return (interpreter, abi) == (own, own)

    def _platform(self, platform: str) -> bool:
        if platform == "any":
            return True
        if self.system == "darwin":
            return platform.startswith("macosx_") and platform.endswith(("_arm64", "_universal2"))
        named = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}
        kind = platform[:-len(self.machine) - 1]
        parts = named.get(kind, kind).split("_")
        return platform.endswith(f"_{self.machine}") and parts[0] == "manylinux" and tuple(map(int, parts[1:])) <= GLIBC


MACHINES = [Machine((3, minor), system, machine) for minor in (10, 11, 12, 13)
            for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))]


class Entry(NamedTuple):
    """A package of a lock, at one version."""

    requirement: str
    marker: str
    # Hash and name of each wheel.
    wheels: List[Tuple[str, str]]

    @property
    def name(self) -> str:
        """Of the package, as the index writes it."""
        return self.requirement.split("==")[0]

    def holds_for(self, machine: Machine) -> bool:
        """Whether it is installed there."""
        return not self.marker or Marker(self.marker).evaluate(dict(machine.marker_values))

    def lacking(self) -> List[Machine]:
        """Where it is to be installed, but has no wheel for."""
        return [machine for machine in MACHINES
                if self.holds_for(machine) and not any(machine.takes(name) for _, name in self.wheels)]

    def text(self) -> str:
        """Its lines in the lock."""
        first = self.requirement + (f" ; {self.marker}" if self.marker else "")
        hashes = [f"    --hash=sha256:{digest}" for digest, _ in self.wheels]
        names = [f"    # {name}" for _, name in self.wheels]
        return "\n".join([" \\\n".join([first, *hashes]), *names, ""])


def read(lock: Path) -> List[Entry]:
    """The packages of a lock that this wrote."""
    found: List[Entry] = []
    for block in lock.read_text().split("\n\n"):
        lines = [line.strip(" \\") for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if lines:
            requirement, _, marker = lines[0].partition(" ; ")
            digests = [line.split(":")[1] for line in lines if line.startswith("--hash")]
            names = [line[2:] for line in lines if line.startswith("# ")]
            assert len(digests) == len(names), requirement
            found.append(Entry(requirement, marker, list(zip(digests, names))))
    return found


def resolve(name: str, without: Set[str]) -> List[Entry]:
    """What a .in file needs for all machines, by uv."""
    constraints = [option for below in LOCKS[name] for option in ("-c", str(HERE / f"{below}.lock"))]
    with tempfile.TemporaryDirectory() as folder:
        made, excluded, override = (
            Path(folder, file) for file in ("pylock.toml", "excluded.txt", "override.txt"))
        excluded.write_text("\n".join(EXCLUDED.get(name, [])))
        override.write_text(OVERRIDE)
        subprocess.run(["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10", "--format",
                        "pylock.toml", "--excludes", str(excluded), "--overrides", str(override), *constraints,
                        "-o", str(made), str(HERE / f"{name}.in")], check=True)
        import tomllib  # since Python 3.11

        packages = tomllib.loads(made.read_text())["packages"]
    entries = [_entry(package) for package in packages if package["name"] not in without]
    return [entry for entry in entries if any(map(entry.holds_for, MACHINES))]


def _entry(package: Dict[str, Any]) -> Entry:
    marker = package.get("marker", "").replace("python_full_version >= '3.10'", "").strip()
    marker = marker[4:] if marker.startswith("and ") else marker
    entry = Entry(f"{package['name']}=={package['version']}", marker, [])
    taking = [machine for machine in MACHINES if entry.holds_for(machine)]
    wheels = [(wheel["hashes"]["sha256"], wheel.get("name") or wheel["url"].rsplit("/", 1)[1])
              for wheel in package.get("wheels", [])]
    wanted = [pair for pair in wheels if any(machine.takes(pair[1]) for machine in taking)]
    return entry._replace(wheels=sorted(wanted, key=lambda pair: pair[1]))


def _write(name: str) -> Iterator[str]:
    below = {entry.name for lock in LOCKS[name] for entry in read(HERE / f"{lock}.lock")}
    entries = resolve(name, {*below, *LEFT_OUT})
    yield from (f"{entry.requirement}: no wheel for Python {'{}.{}'.format(*machine.python)}, {machine.system} "
                f"{machine.machine}" for entry in entries for machine in entry.lacking())
    head = f"# Written by `python requirements/lock.py {name}`; below each package the names of its wheels.\n\n"
    (HERE / f"{name}.lock").write_text(head + "\n".join(entry.text() for entry in entries))


def main(names: Sequence[str]) -> int:
    """Write the locks that are named, or all; 1 where a machine would find no wheel."""
    lacking = [line for name in names or list(LOCKS) for line in _write(name)]
    print("\n".join(lacking) or "every package has a wheel for every machine")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
