"""What a bundle is of: model, images and their order, with digests, so that results of anything else are refused."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from quant_accuracy.base import files
from quant_accuracy.base.documents import FieldError, Section, read_json
from quant_accuracy.base.errors import DataError

NAME = "manifest.json"
FLOAT32, UINT8 = INPUT_TYPES = ("float32", "uint8")
_SCHEMA_VERSION = 1
_DOCUMENT = "the manifest"
_AGAIN = "copy the manifest of the bundle again, or make the bundle anew with `quant-accuracy device-bundle`"
_DIGITS = 12
_LARGEST = 1 << 62


@dataclass(frozen=True)
class Subject:
    """What a device is measured on, apart from the images.

    Attributes:
        card: The model card.
        checkpoint: Digests of the checkpoint's files, by the ends of their names: `.meta`.
        encodings: Digest of the encodings in AIMET's form.
        starting_ops: Where the network begins.
        output_ops: Where the network ends.
        preprocessing: What is done to an image before the graph gets it, in words.
        size: Height and width of the images.
    """

    card: str
    checkpoint: Mapping[str, str]
    encodings: str
    starting_ops: Tuple[str, ...]
    output_ops: Tuple[str, ...]
    preprocessing: str
    size: Tuple[int, int]


@dataclass(frozen=True)
class Tensor:
    """An input or an output of the network.

    Attributes:
        name: Its op.
        shape: Of one image, the batch of one included.
    """

    name: str
    shape: Tuple[int, ...]


@dataclass(frozen=True)
class BundledShard:
    """A shard whose images are in the bundle.

    Attributes:
        index: Its number in the data set.
        name: Of the file.
        digest: Of the file.
        records: How many of its records are in the bundle, from the first on.
        total: How many records it holds.
    """

    index: int
    name: str
    digest: str
    records: int
    total: int


@dataclass(frozen=True)
class BundledImage:
    """An image of the bundle; its place in the list is that of its line in the input list.

    Attributes:
        image_id: COCO's image id.
        pixels: Digest of the image as the graph gets it.
        inputs: Its files, one for each input of the network.
    """

    image_id: int
    pixels: str
    inputs: Tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a bundle is of.

    Attributes:
        subject: The model.
        input_type: `float32`, what the starting ops give; or `uint8`, the image itself.
        inputs: The network's inputs as the files hold them.
        outputs: The network's outputs, float32.
        shards: Where the images come from, in order.
        images: The images, in the order of the shards and of the records there.
        versions: Of what made the inputs, by package.
    """

    subject: Subject
    input_type: str
    inputs: Tuple[Tensor, ...]
    outputs: Tuple[Tensor, ...]
    shards: Tuple[BundledShard, ...]
    images: Tuple[BundledImage, ...]
    versions: Mapping[str, str]

    def positions(self) -> Dict[str, range]:
        """The places of each shard's images, by the shard's digest."""
        found, first = {}, 0
        for shard in self.shards:
            found[shard.digest] = range(first, first + shard.records)
            first += shard.records
        return found


def write(path: Path, manifest: Manifest) -> None:
    """Write a manifest, with a digest of what it says."""
    document = {"schema_version": _SCHEMA_VERSION, "layout": "NHWC", **asdict(manifest)}
    files.write_json(path, {**document, "digest": files.digest_value(document)})


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        DataError: It is missing or damaged, was changed, or is of another version.
    """
    try:
        document = read_json(path)
        if isinstance(document, dict) and document.get("schema_version") == _SCHEMA_VERSION \
                and document.pop("digest", None) != files.digest_value(document):
            raise DataError(f"{path}: was changed since the bundle was made, or is cut short; {_AGAIN}")
        return _parsed(Section(str(path), "", document, _DOCUMENT).of_version(_SCHEMA_VERSION, _AGAIN))
    except FieldError as error:
        raise DataError(str(error)) from error
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not readable as a manifest ({error}); {_AGAIN}") from error


def _parsed(section: Section) -> Manifest:
    subject = dict(section.section("subject").items())
    manifest = Manifest(
        Subject(**{**subject, **{key: tuple(subject[key]) for key in ("starting_ops", "output_ops", "size")}}),
        section.text("input_type"), _tensors(section, "inputs"), _tensors(section, "outputs"),
        tuple(BundledShard(**shard) for shard in section.get("shards")),
        tuple(BundledImage(image["image_id"], image["pixels"], tuple(image["inputs"]))
              for image in section.get("images")),
        section.get("versions"))
    if sum(shard.records for shard in manifest.shards) != len(manifest.images):
        raise section.error("images", f"are not those of the shards; {_AGAIN}")
    return manifest


def _tensors(section: Section, key: str) -> Tuple[Tensor, ...]:
    return tuple(Tensor(tensor["name"], tuple(tensor["shape"])) for tensor in section.get(key))


def differences(manifest: Manifest, subject: Subject) -> List[str]:
    """What a bundle is of and what is evaluated, where these differ; encodings are left to `encoding_differences`."""
    theirs = manifest.subject
    found = []
    if dict(theirs.checkpoint) != dict(subject.checkpoint):
        parts = sorted({*theirs.checkpoint, *subject.checkpoint})
        found.append("another checkpoint (" + ", ".join(
            f"{part} {_digits(theirs.checkpoint, part)} there, {_digits(subject.checkpoint, part)} here"
            for part in parts if theirs.checkpoint.get(part) != subject.checkpoint.get(part)) + ")")
    for what, there, here in (("starting ops", theirs.starting_ops, subject.starting_ops),
                              ("output ops", theirs.output_ops, subject.output_ops),
                              ("image size", theirs.size, subject.size)):
        if tuple(there) != tuple(here):
            found.append(f"other {what} ({_listed(there)} there, {_listed(here)} here)")
    if theirs.preprocessing != subject.preprocessing:
        found.append(f"another preprocessing ({theirs.preprocessing!r} there, {subject.preprocessing!r} here)")
    return found


def _digits(digests: Mapping[str, str], part: str) -> str:
    return digests[part][:_DIGITS] if part in digests else "missing"


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))
