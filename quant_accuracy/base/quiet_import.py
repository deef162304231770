"""Importing TensorFlow 2 without what its libraries write as they are loaded, before anything can tell them not to."""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
from types import ModuleType
from typing import Any, Iterator, Optional

_PACKAGE = "tensorflow"
_STANDARD_ERROR = 2
# That oneDNN is on, as it is since TensorFlow 2.9, that this is said before logging is set up; what its optimizer of
# graphs runs on; that there is no GPU, which nothing here uses.
_NOISE = (b"oneDNN custom operations are on", b"before absl::InitializeLog", b"Number of eligible GPUs",
          b"Starting new session", b"Could not find cuda drivers")


def install() -> None:
    """Let the first import of TensorFlow be quiet; nothing to do where it has been imported."""
    if _PACKAGE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow, and nothing else, where it would have been found."""

    def find_spec(self, name: str, path: Any, target: Optional[ModuleType] = None) -> Any:
        if name != _PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with without_noise():
            self._loader.exec_module(module)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Hold back what is written to the standard error, by libraries too; afterwards pass on what is worth it."""
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not any(words in line for words in _NOISE):
                    os.write(_STANDARD_ERROR, line)
