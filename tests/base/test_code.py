"""The digest of code that cached results are named by."""

from pathlib import Path

import pytest

from quant_accuracy.base import code


@pytest.mark.parametrize("changed", ["room/one.py", "room/inner/two.py"])
def test_another_code_anywhere_in_a_package_has_another_digest(changed: str, tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_PACKAGE", tmp_path)
    digests = []
    for content in ("before", "after"):
        for name in ("room/one.py", "room/inner/two.py", "other/three.py"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content if name == changed else "same")
        code.code_digest.cache_clear()
        digests.append([code.code_digest("room"), code.code_digest("other")])
    code.code_digest.cache_clear()

    (room, other), (new_room, new_other) = digests

    assert room != new_room
    assert other == new_other
