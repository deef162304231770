"""Tells which lane the Python that runs this is for: prints `tensorflow1 3.7`, or `tensorflow2 3.12`, or why none.

It is run by whatever is called Python, version 2 included, before anything is known of it.
"""

import os
import platform
import sys
import sysconfig

LANES = {(3, 7): "tensorflow1", (3, 10): "tensorflow2", (3, 11): "tensorflow2", (3, 12): "tensorflow2",
         (3, 13): "tensorflow2"}
# For these TensorFlow has wheels: 1.15.5 and 2.21.0.
_MACHINES = {"tensorflow1": ["linux x86_64", "darwin x86_64"],
             "tensorflow2": ["linux x86_64", "linux aarch64", "darwin arm64"]}


def _has_glibc():
    # type: () -> bool
    """Whether programs of this Linux are linked against glibc, as wheels called manylinux are."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, OSError, ValueError):
        return False


def found():
    # type: () -> str
    """A line: the lane and the version; or `none`, the version, and why it is of no lane."""
    version = sys.version_info[:2]
    system, machine = sys.platform.rstrip("2"), platform.machine()
    name = "{}.{}".format(*version)
    if system == "linux" and version >= (3, 0) and not _has_glibc():
        return "none {} TensorFlow is not made for Linux without glibc, such as Alpine".format(name)
    here = "{} {}".format(system, machine)
    if not any(here in machines for machines in _MACHINES.values()):
        return "none {} TensorFlow is not made for {}".format(name, here)
    lane = LANES.get(version)
    if lane is None:
        return "none {0} Python {0} is of no lane".format(name)
    # A build without the lock of threads, or another interpreter, would need wheels of its own, which TensorFlow lacks.
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "none {} it is not the usual build of CPython, for which TensorFlow is made".format(name)
    if here not in _MACHINES[lane]:
        return "none {0} TensorFlow for Python {0} is not made for {1}".format(name, here)
    missing = []
    for module in ("ctypes", "ssl", "venv", "zlib"):
        try:
            __import__(module)
        except ImportError:
            missing.append(module)
    if missing:
        return "none {} it was built without {}".format(name, ", ".join(missing))
    return "{} {}".format(lane, name)


if __name__ == "__main__":
    sys.stdout.write(found() + "\n")
