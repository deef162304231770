"""What a bundle says it is of: read back as written, and refused where it is damaged or of something else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from quant_accuracy.base.errors import DataError
from quant_accuracy.device.exchange import manifest
from tests.support.bundles import SUBJECT, bundle_of


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    bundle = bundle_of(2, 3, inputs=("start", "other"))
    manifest.write(tmp_path / "manifest.json", bundle)

    found = manifest.read(tmp_path / "manifest.json")

    assert found == bundle
    assert found.positions() == {f"{0:064d}": range(2), f"{1:064d}": range(2, 5)}


def _other_image(document: Dict[str, Any]) -> None:
    document["images"][0]["image_id"] = 7


def _image_less(document: Dict[str, Any]) -> None:
    del document["images"][0]


def _newer(document: Dict[str, Any]) -> None:
    document["schema_version"] = 2


@pytest.mark.parametrize(("change", "said"), [
    (_other_image, "was changed since the bundle was made"), (_image_less, "was changed since the bundle was made"),
    (_newer, "schema_version is 2, not 1"),
])
def test_a_manifest_that_was_changed_is_refused_with_a_remedy(tmp_path: Path, change: Callable[[Dict[str, Any]], None],
                                                             said: str) -> None:
    path = tmp_path / "manifest.json"
    manifest.write(path, bundle_of(2))
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))

    with pytest.raises(DataError, match=said) as raised:
        manifest.read(path)

    assert str(raised.value).startswith(str(path))
    assert "device-bundle" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"schema_version": 1', b"\xff\xfe\x00", b'{"name": "app"}',
                                     b"[" * 100_000])
def test_a_file_that_is_no_manifest_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)

    with pytest.raises(DataError) as raised:
        manifest.read(path)

    assert str(raised.value).startswith(str(path))


def test_what_is_of_another_model_is_told_by_what_differs() -> None:
    bundle = bundle_of(1)
    other = replace(SUBJECT, card="theirs", checkpoint={".index": "1" * 64, ".data-00000-of-00001": "4" * 64},
                    output_ops=("concat",), size=(30, 30), preprocessing="other")

    found = manifest.differences(bundle, other)

    assert manifest.differences(bundle, replace(SUBJECT, card="another card of the same model")) == []
    assert found == [
        "another checkpoint (.data-00000-of-00001 222222222222 there, 444444444444 here)",
        "other output ops (concat, concat_1 there, concat here)",
        "other image size (30, 40 there, 30, 30 here)",
        "another preprocessing ('decode, resize' there, 'other' here)"]
