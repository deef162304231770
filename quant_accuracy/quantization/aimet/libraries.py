"""AIMET's compiled libraries: found beside its Python code, so that no environment variable has to name their folder.

Its wheel AimetCommon holds them in `aimet_common/x86_64-linux-gnu`, and its instructions put that folder on PYTHONPATH,
for `libpymo`, and on LD_LIBRARY_PATH, for the ops that TensorFlow loads by a bare name.
"""

import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Iterator, Optional

_FOLDER = "x86_64-linux-gnu"


def folder() -> Optional[Path]:
    """Where the libraries of the AIMET that is installed are; None where its wheel holds none."""
    found = spec("aimet_common")
    for place in (found.submodule_search_locations or []) if found is not None else []:
        if (Path(place) / _FOLDER).is_dir():
            return Path(place) / _FOLDER
    return None


def spec(module: str) -> Optional[Any]:
    """Where a module would be imported from; None where there is none."""
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


@contextlib.contextmanager
def found() -> Iterator[None]:
    """Have AIMET find its libraries as it is imported in a block, one at a time; behind it all is as before.

    Where PYTHONPATH names a folder with `libpymo`, that one is taken.
    """
    home = folder()
    if home is None:
        yield
        return
    place = home
    # AIMET asks TensorFlow for its ops by this very name.
    import tensorflow

    def load(name: str) -> Any:
        path = place / name
        return original(str(path) if "/" not in name and path.is_file() else name)

    original = tensorflow.load_op_library
    tensorflow.load_op_library = load
    sys.path.append(str(place))
    try:
        yield
    finally:
        tensorflow.load_op_library = original
        with contextlib.suppress(ValueError):
            sys.path.remove(str(place))
