"""One contract for all who quantize: what it settles, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.quantization import aimet, aimet_onnx, backends
from quant_accuracy.quantization.records import AIMET, AIMET_ONNX, AUTO, BUILTIN, Settings


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (aimet, aimet_onnx):
        monkeypatch.setattr(room, "installed", lambda: "0")
        monkeypatch.setattr(room, "require", lambda: "0")


@pytest.mark.parametrize("backend", [BUILTIN, AIMET, AIMET_ONNX])
def test_what_quantizes_runs_the_network_unless_something_else_is_asked_for(all_installed: None, backend: str) -> None:
    assert backends.settled(Settings(backend=backend)).simulator == backend
    assert backends.settled(Settings(backend=backend, simulator=BUILTIN)).simulator == BUILTIN


def test_auto_is_aimet_1_where_it_is_installed_and_never_aimet_2(monkeypatch: pytest.MonkeyPatch,
                                                                 all_installed: None) -> None:
    monkeypatch.setattr(aimet, "usable", lambda: True)
    assert backends.settled(Settings(backend=AUTO)).backend == AIMET
    monkeypatch.setattr(aimet, "usable", lambda: False)
    assert backends.settled(Settings(backend=AUTO)).backend == BUILTIN


@pytest.mark.parametrize(("backend", "simulator"), [(BUILTIN, AIMET), (BUILTIN, AIMET_ONNX), (AIMET, AIMET_ONNX),
                                                    (AIMET_ONNX, AIMET)])
def test_a_backend_runs_only_what_it_has_built(all_installed: None, backend: str, simulator: str) -> None:
    with pytest.raises(ConfigurationError, match=f"can run only what it has built; use --backend {simulator}, or"):
        backends.settled(Settings(backend=backend, simulator=simulator))


@pytest.mark.parametrize("backend", [AIMET, AIMET_ONNX])
def test_a_backend_runs_with_its_own_encodings_only(all_installed: None, backend: str) -> None:
    given = Settings(backend=backend, encodings_file=Path("model.encodings"))

    with pytest.raises(ConfigurationError, match="cannot run with encodings from a file; use --simulate builtin"):
        backends.settled(given)
    assert backends.settled(replace(given, simulator=BUILTIN)).backend == backend
