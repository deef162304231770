"""What a board left: `Result_<n>/<output>.raw`, found, mapped to the images of a bundle, read and checked.

snpe-net-run and qnn-net-run write a folder for each line of the input list, and in it a file of float32 for each
output. Its name is that of the output, `:0` kept, dropped or written `_0`; a slash makes a folder, or is `_` as in the
names that QNN's converters give. Beside them may lie what nobody asked for, as `--debug` leaves it.
"""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

import numpy as np

from quant_accuracy.base import files
from quant_accuracy.base.errors import DataError
from quant_accuracy.device.exchange import input_list, manifest
from quant_accuracy.device.exchange.manifest import Manifest, Tensor

_RESULT = re.compile(r"result_(\d{1,9})", re.IGNORECASE)
_SUFFIX, _NATIVE = ".raw", "_native"
# How deep below a folder its results may lie: `output/GRAPH/Result_0`, as qnn-net-run has it for several graphs.
_DEPTH = 2
_SHOWN = 5
_FLOAT = np.dtype("<f4")
_AS_FLOAT = "let the board write float32: leave out --use_native_output_files, --userbuffer_tf8 and the like"
_COPY = "copy it from the board again, or run the input again"


@dataclass(frozen=True)
class Left:
    """What a board left, found and not yet read.

    Attributes:
        folder: Holds the `Result_<n>`.
        path: The manifest of the bundle.
        manifest: What the bundle was of.
        results: The folder of each image that has one, by its place in the bundle.
    """

    folder: Path
    path: Path
    manifest: Manifest
    results: Mapping[int, Path]

    def files(self, place: int) -> List[Path]:
        """The files of an image, in the order of the network's outputs.

        Args:
            place: The image's place in the bundle; it has a result.

        Raises:
            DataError: One is missing, is there in another type only, or several files could be it.
        """
        folder = self.results[place]
        there = {path.relative_to(folder).as_posix()[:-len(_SUFFIX)]: path for path in _raw_files(folder)}
        return [self._file(place, output, there) for output in self.manifest.outputs]

    def _file(self, place: int, output: Tensor, there: Mapping[str, Path]) -> Path:
        others = {name for tensor in self.manifest.outputs if tensor is not output for name in _exact(tensor.name)}
        found = [name for name in there if name not in others and _plain(name) in _plain_names(output.name)]
        if len(found) == 1:
            return there[found[0]]
        where = f"{self.results[place]}, {self._image(place)}"
        if found:
            raise DataError(f"{where}: {', '.join(name + _SUFFIX for name in sorted(found))} could all be the output "
                            f"{output.name}; leave one of them")
        native = [name for name in there if name.endswith(_NATIVE)
                  and _plain(name[:-len(_NATIVE)]) in _plain_names(output.name)]
        if native:
            raise DataError(f"{there[native[0]]}, {self._image(place)}: is {output.name} in the board's own type, "
                            f"whose scale is not known here; {_AS_FLOAT}")
        names = sorted(there)
        listed = ", ".join(name + _SUFFIX for name in names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        raise DataError(f"{where}: has no {output.name}{_SUFFIX}, which is an output of the network, but "
                        f"{listed or 'nothing'}; " + ("name the outputs on the board as in the bundle's network, or "
                                                      "rename the files" if names else _COPY))

    def read(self, place: int) -> List[np.ndarray]:
        """The outputs of an image, in the network's order: float32, a batch of one each.

        Args:
            place: The image's place in the bundle; it has a result.

        Raises:
            DataError: A file is missing, ambiguous, of a wrong size, or holds NaN or infinity; file and image are
                named.
        """
        return [self._values(place, output, path) for output, path in zip(self.manifest.outputs, self.files(place))]

    def _values(self, place: int, output: Tensor, path: Path) -> np.ndarray:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}, {self._image(place)}: {error.strerror}; {_COPY}") from error
        count = int(np.prod(output.shape, dtype=np.int64))
        if len(content) != count * _FLOAT.itemsize:
            raise DataError(f"{path}, {self._image(place)}: has {len(content)} bytes, and {output.name} "
                            f"{list(output.shape)} in float32 has {count * _FLOAT.itemsize}; "
                            f"{_about_size(len(content), count)}")
        values = np.frombuffer(content, _FLOAT).astype(np.float32, copy=False)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            kind = "NaN" if np.isnan(values[wrong]).any() else "infinity"
            raise DataError(f"{path}, {self._image(place)}: holds {kind} ({len(wrong)} of {count} values, the first at "
                            f"{wrong[0]}); find out on the board what computes it: an op in float16 that overflows, "
                            "or a buffer that was never written")
        return values.reshape(output.shape)

    def digest(self, place: int) -> str:
        """The digest of the files of an image.

        Raises:
            DataError: As `files`, or a file cannot be read.
        """
        found = []
        for path in self.files(place):
            try:
                now = path.stat()
                found.append(_digest(path, now.st_size, now.st_mtime_ns))
            except OSError as error:
                raise DataError(f"{path}, {self._image(place)}: {error.strerror}; {_COPY}") from error
        return files.digest_value(found)

    def missing(self, places: Sequence[int]) -> List[int]:
        """Those of some images that have no result, by their places in the bundle."""
        return [place for place in places if place not in self.results]

    def _image(self, place: int) -> str:
        return f"image {self.manifest.images[place].image_id}"


def find(folder: Path) -> Left:
    """Find what a board left.

    Args:
        folder: Holds the `Result_<n>`, or a folder below it does. The bundle's manifest lies in it, or above it.

    Raises:
        DataError: Results or manifest are missing, there are several sets of results, or a result is of no input.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the one with the board's Result_<n> with --device-outputs")
    folder = folder.absolute()
    found = _with_results(folder)
    if not found:
        raise DataError(f"{folder}: holds no Result_<n>, nor does a folder in it; copy what the board wrote there")
    if len(found) > 1:
        raise DataError(f"{folder}: {', '.join(map(str, sorted(found)[:_SHOWN]))} all hold results; name one of them "
                        "with --device-outputs, and leave the manifest beside or above it")
    results = found[0]
    path = _nearest(results, folder, manifest.NAME)
    if path is None:
        raise DataError(f"{folder}: there is no {manifest.NAME} in it or above it, so that nobody knows which images "
                        "the results are of; copy that of the bundle there")
    bundle = manifest.read(path)
    listed = _nearest(results, path.parent, input_list.NAME)
    places = list(range(len(bundle.images))) if listed is None else input_list.read(listed, bundle)
    return Left(results, path, bundle, _mapped(results, places, listed or path))


def _mapped(results: Path, places: Sequence[int], order: Path) -> Dict[int, Path]:
    """The results by the places of the images that they are of; `order` is the file that says so."""
    numbers: Dict[int, Path] = {}
    for path in _result_folders(results):
        number = int(path.name.rpartition("_")[2])
        if number in numbers:
            raise DataError(f"{results}: {numbers[number].name} and {path.name} are both the result of input {number}; "
                            "leave one of them")
        numbers[number] = path
    more = sorted(number for number in numbers if number >= len(places))
    if more:
        raise DataError(f"{results}: {numbers[more[0]].name} is of no input, {order} has {len(places)} "
                        f"({len(more)} results are beyond that); clear the folder on the board and run each input "
                        "once, without --num_inferences or --duration, or put the "
                        f"{input_list.NAME} there that was run")
    return {places[number]: path for number, path in numbers.items()}


@functools.lru_cache(maxsize=None)
def _digest(path: Path, size: int, changed: int) -> str:
    """The digest of a file as it is now: outputs are gigabytes, and asked for more than once."""
    return files.digest_file(path)


def _with_results(folder: Path) -> List[Path]:
    """The folders that hold results: this one, else those nearest below it."""
    level = [folder]
    for _ in range(_DEPTH + 1):
        found = [path for path in level if next(_result_folders(path), None) is not None]
        if found:
            return found
        level = [path for parent in level for path in sorted(parent.iterdir()) if path.is_dir()]
    return []


def _result_folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if _RESULT.fullmatch(path.name) and path.is_dir())


def _nearest(results: Path, top: Path, name: str) -> Optional[Path]:
    """A file of this name beside results, or above them: up to a folder, or two more."""
    for folder in (results, *results.parents):
        if (folder / name).is_file():
            return folder / name
        if folder == top.parent.parent:
            break
    return None


def _raw_files(folder: Path) -> List[Path]:
    return [Path(place) / name for place, _, names in sorted(os.walk(str(folder))) for name in sorted(names)
            if name.endswith(_SUFFIX)]


def _exact(op: str) -> List[str]:
    return [op, f"{op}:0"]


def _plain(name: str) -> str:
    """A name as QNN's tools write it, but for a `_` before a digit: every run of other signs is a `_`."""
    return re.sub(r"\W+", "_", name).strip("_")


def _plain_names(op: str) -> List[str]:
    return [_plain(name) for name in _exact(op)]


def _about_size(size: int, count: int) -> str:
    """What a wrong size looks like, and what to do."""
    if size == 0:
        return f"it is empty; {_COPY}"
    if size in (count, 2 * count):
        return f"it looks like values of {8 * size // count} bits; {_AS_FLOAT}"
    if size == 8 * count:
        return "it looks like float64; write float32"
    if size % (4 * count) == 0:
        return (f"it looks like a batch of {size // (4 * count)}; run the network with a batch of one, one result an "
                "image")
    if size < 4 * count:
        return f"it looks cut short; {_COPY}"
    return "it is of another network or of another output; run the network of the bundle"
