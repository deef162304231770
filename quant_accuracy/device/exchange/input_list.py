"""The list of inputs that snpe-net-run and qnn-net-run read: the n-th line is what `Result_<n>` is of.

A line has the path of one file, or `name:=path` for each input, separated by spaces. Before these, a line with `#` may
name output layers and one with `%` output tensors (the manuals of SNPE and of QNN, `--input_list`).
"""

from pathlib import Path, PurePosixPath
from typing import Dict, List, Sequence

from quant_accuracy.base import documents, files
from quant_accuracy.base.errors import DataError, shown
from quant_accuracy.device.exchange.manifest import BundledImage, Manifest

NAME = "input_list.txt"
_HEADERS = ("#", "%")
_SEPARATOR = ":="
_REMEDY = f"put the {NAME} there that the board was given, or that of the bundle if it was given that"


def write(path: Path, manifest: Manifest) -> None:
    """Write the list of a bundle: paths from the bundle's folder, with the names of inputs where there are several."""
    names = [tensor.name for tensor in manifest.inputs]
    files.write_text(path, "".join(_line(names, image) + "\n" for image in manifest.images))


def _line(names: Sequence[str], image: BundledImage) -> str:
    if len(names) == 1:
        return image.inputs[0]
    return " ".join(f"{name}{_SEPARATOR}{path}" for name, path in zip(names, image.inputs))


def read(path: Path, manifest: Manifest) -> List[int]:
    """Which image of a bundle each line is of: its place there.

    The list may leave images out, have them in another order, and name them by paths on the board.

    Raises:
        DataError: It cannot be read, or a line is of no image of the bundle, of several, or of one that had a line
            before.
    """
    try:
        lines = documents.read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable ({error}); {_REMEDY}") from error
    owners = {name: place for place, image in enumerate(manifest.images) for name in image.inputs}
    # A path on the board ends as that in the bundle does.
    by_end = {PurePosixPath(name).name: place for name, place in owners.items()}
    found: List[int] = []
    seen: Dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith(_HEADERS):
            continue
        ends = [word.rpartition(_SEPARATOR)[2].replace("\\", "/").rpartition("/")[2] for word in words]
        places = {by_end.get(end) for end in ends}
        place = places.pop()
        if place is None or places:
            raise DataError(f"{path}, line {number}: {shown(line)} is not the input of one image of the bundle; "
                            f"{_REMEDY}")
        if place in seen:
            raise DataError(f"{path}, line {number}: {shown(line)} stands in line {seen[place]} already, so that two "
                            f"results would be of image {manifest.images[place].image_id}; run each input once")
        seen[place] = number
        found.append(place)
    if not found:
        raise DataError(f"{path}: names no input; {_REMEDY}")
    return found
