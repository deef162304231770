"""Faults, made for real: damaged files, killed processes, full and read-only disks, two runs at once, odd data."""

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

from quant_accuracy.base import files
from quant_accuracy.base.cache import Cache
from quant_accuracy.base.errors import ConfigurationError
from quant_accuracy.commands import report
from quant_accuracy.pipeline import evaluation
from quant_accuracy.pipeline.evaluation import Evaluation
from quant_accuracy.settings.card import DataPaths, ModelCard
from quant_accuracy.settings.request import Request
from tests.support import broken, processes, suite
from tests.support.places import ROOT

pytestmark = pytest.mark.one_lane

_CALIBRATION = 5
_IMAGES = 10
_SELECTION = ("--shards", "0-2")


def _evaluate(card: ModelCard, data: DataPaths, cache: Path, batch_size: int = 1, **changes: Any) -> Evaluation:
    request = Request(replace(card, calibration_images=_CALIBRATION), data, batch_size, **changes)
    return evaluation.evaluate(request, Cache(cache))


def _figures(done: Evaluation) -> Dict[str, Any]:
    return {name: (variant.metrics.images, variant.metrics.figures) for name, variant in done.variants.items()}


@pytest.fixture(scope="module")
def plain(demo: DataPaths, demo_card: ModelCard,
          tmp_path_factory: pytest.TempPathFactory) -> Tuple[Path, Dict[str, Any]]:
    """The cache and the figures of an evaluation of a few images to which nothing happened."""
    cache = tmp_path_factory.mktemp("plain")
    return cache, _figures(_evaluate(demo_card, demo, cache, num_examples=_IMAGES))


def test_an_evaluation_on_a_damaged_cache_makes_it_again_and_has_the_same_figures(
        demo: DataPaths, demo_card: ModelCard, plain: Tuple[Path, Dict[str, Any]], tmp_path: Path,
        capsys: pytest.CaptureFixture) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(str(plain[0]), str(cache))
    before = {path: digest for path, digest in files.digest_folder(cache).items() if not path.endswith(".lock")}
    damaged = [next(cache.glob(pattern)) for pattern in ("float/*/folded.pb", "quantsim/*/quantizers.json",
                                                         "detections/float/*.npz", "detections/quantized/*.npz")]
    for path, damage in zip(damaged, (broken.flip_in_the_middle, broken.cut, broken.flip_in_the_middle, broken.cut)):
        damage(path)

    done = _evaluate(demo_card, demo, cache, num_examples=_IMAGES)

    said = capsys.readouterr().err
    for path in damaged:
        assert f"warning: {path if path.suffix == '.npz' else path.parent}" in said
    assert _figures(done) == plain[1]
    assert {path: digest for path, digest in files.digest_folder(cache).items()
            if not path.endswith(".lock")} == before


@pytest.fixture(scope="module")
def undisturbed(demo: DataPaths, cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report to which nothing happened."""
    folder = tmp_path_factory.mktemp("undisturbed")
    suite.cache_without_detections(folder / "cache")
    assert report.main(broken.arguments(demo, folder, *_SELECTION)) in (0, 1)
    return folder


def _goes_on(demo: DataPaths, folder: Path, undisturbed: Path) -> None:
    """Resume a report: it ends as if nothing had been, and finished shards are not touched."""
    finished = broken.times(folder)
    assert 0 < len(finished) < 6

    assert report.main(broken.arguments(demo, folder, *_SELECTION)) in (0, 1)

    now = broken.times(folder)
    assert {name: now[name] for name in finished} == finished
    assert broken.document(folder) == broken.document(undisturbed)
    assert broken.detections(folder) == broken.detections(undisturbed)
    assert not broken.temporary(folder)


def test_a_full_disk_is_a_clear_error_and_the_run_goes_on_when_there_is_space(demo: DataPaths, undisturbed: Path,
                                                                            tmp_path: Path) -> None:
    suite.cache_without_detections(tmp_path / "cache")
    process = processes.start_report(broken.arguments(demo, tmp_path, *_SELECTION))
    assert processes.until(lambda: len(broken.times(tmp_path)) >= 2, 120.0)

    # Not a byte more, from now on.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    err = process.communicate(timeout=120)[1]

    assert process.returncode == 2, err
    error = err.strip().splitlines()[-1]
    assert error.startswith(f"error: {tmp_path}")
    assert ".npz: the disk is full (File too large); free some space and start again, finished shards are kept" in error
    assert not broken.temporary(tmp_path)
    _goes_on(demo, tmp_path, undisturbed)


_DROP, _OVERRIDES = 24, (1, 2)


def _obey_permissions() -> Callable[[], None]:
    """What a child does before it starts, so that even root's cannot write where the mode forbids it."""
    library = ctypes.CDLL(None)

    def drop() -> None:
        for capability in _OVERRIDES:
            library.prctl(_DROP, capability, 0, 0, 0)

    return drop


_REPORTS = """
import json, sys
from quant_accuracy.commands import report
print(json.dumps([report.main(arguments) for arguments in json.loads(sys.argv[1])]))
"""


def test_a_read_only_cache_gives_what_it_holds_and_a_clear_error_for_the_rest(demo: DataPaths, undisturbed: Path,
                                                                             tmp_path: Path) -> None:
    shutil.copytree(str(undisturbed / "cache"), str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    cold = [*broken.arguments(demo, tmp_path, *_SELECTION), "--cache-dir", str(tmp_path / "empty")]
    folders = [path for path in tmp_path.rglob("*") if path.is_dir()] + [tmp_path / "cache"]
    for folder in folders:
        folder.chmod(0o555)
    (tmp_path / "output").mkdir()
    try:
        done = subprocess.run([sys.executable, "-c", _REPORTS,
                               json.dumps([cold, broken.arguments(demo, tmp_path, *_SELECTION)])],
                              cwd=str(ROOT), capture_output=True, text=True, env=suite.environment(),
                              preexec_fn=_obey_permissions())
    finally:
        for folder in folders:
            folder.chmod(0o755)

    statuses = json.loads(done.stdout.splitlines()[-1])
    assert statuses[0] == 2, done.stderr
    assert f"error: {tmp_path / 'empty'}" in done.stderr
    assert "Permission denied; name a folder that can be written with --cache-dir" in done.stderr
    assert statuses[1] in (0, 1), done.stderr
    assert broken.document(tmp_path) == broken.document(undisturbed)


@pytest.mark.soak
def test_sigterm_ends_this_process_within_seconds_and_says_how_to_go_on(demo: DataPaths, undisturbed: Path,
                                                                       tmp_path: Path) -> None:
    suite.cache_without_detections(tmp_path / "cache")
    process = processes.start_report(broken.arguments(demo, tmp_path, *_SELECTION))
    assert processes.until(lambda: len(broken.times(tmp_path)) >= 2, 120.0)
    began = time.monotonic()

    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]

    assert process.returncode == 143, err
    assert time.monotonic() - began < 10
    assert "of 3 shards finished; finished shards are kept, the same command resumes from there" in err
    assert err.splitlines()[-1].startswith("terminated, ")
    assert "Traceback" not in err
    _goes_on(demo, tmp_path, undisturbed)


def test_sigterm_ends_the_suite_with_what_is_done_and_it_goes_on_from_there(tmp_path: Path) -> None:
    cache = suite.cache_without_detections(tmp_path / "cache")
    arguments = [*_SELECTION, "--cache-dir", str(cache), "-k", "coverage"]
    process = subprocess.Popen(suite.command(tmp_path / "junit.xml", *arguments), cwd=str(ROOT),
                               stdout=subprocess.PIPE, text=True, env=suite.environment())
    assert processes.until(lambda: len(broken.times(tmp_path)) >= 2, 120.0)

    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]

    finished = broken.times(tmp_path)
    shards = len(finished) // 2
    assert process.returncode == 2
    assert 0 < shards < 3
    assert f"terminated, {shards} of 3 shards finished; finished shards are kept, the same command resumes" in said
    assert not broken.temporary(tmp_path)
    again = suite.run(tmp_path, *arguments)
    assert again.status == 0, again.said
    assert f"{60 - 20 * shards} images were evaluated in this run" in again.said
    assert {name: broken.times(tmp_path)[name] for name in finished} == finished


_FINALIZED = """
import sys, time
from quant_accuracy.base import command_line
class Slow:
    def __del__(self):
        print("finalizing", flush=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
def work():
    Slow()
    command_line.stop_if_asked()
    time.sleep(60)
    return 0
sys.exit(command_line.exit_status(work))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_comes_while_an_object_is_finalized_is_not_forgotten(number: signal.Signals,
                                                                           status: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", _FINALIZED], cwd=str(ROOT), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, universal_newlines=True,
                               # A job in the background is deaf to Ctrl-C.
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stdout is not None
    assert process.stdout.readline() == "finalizing\n"

    process.send_signal(number)
    err = process.communicate(timeout=30)[1]

    assert "Exception ignored in" in err
    assert "the same command resumes from there" in err
    assert process.returncode == status


_EVALUATION = """
import json, sys
from dataclasses import replace
from pathlib import Path
from quant_accuracy.pipeline import evaluation
from quant_accuracy.settings import card, options
from quant_accuracy.base.cache import Cache
from quant_accuracy.settings.card import DataPaths
from quant_accuracy.settings.request import Request
checkpoint, folder, pattern, annotations, cache = sys.argv[1:]
data = DataPaths(Path(checkpoint), Path(folder), pattern, Path(annotations))
model = replace(card.load(options.DEMO_CARD), calibration_images=5)
done = evaluation.evaluate(Request(model, data, 1, selection="0-2"), Cache(Path(cache)))
print(json.dumps({"images": {name: variant.speed.images if variant.speed else 0
                             for name, variant in done.variants.items()},
                  "figures": {name: variant.metrics.figures for name, variant in done.variants.items()}}))
"""


@pytest.mark.soak
def test_two_runs_at_once_on_a_cold_cache_have_the_same_figures_and_do_everything_once(demo: DataPaths,
                                                                                      tmp_path: Path) -> None:
    command = [sys.executable, "-c", _EVALUATION, str(demo.checkpoint), str(demo.dataset_dir), demo.pattern,
               str(demo.annotations), str(tmp_path)]
    both = [subprocess.Popen(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             universal_newlines=True) for _ in range(2)]

    said = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in said)
    assert first["figures"] == second["figures"]
    for variant, count in first["images"].items():
        assert count + second["images"][variant] == 60
    assert [len(list((tmp_path / kind).iterdir())) for kind in ("float", "suppression", "quantsim")] == [1, 1, 1]
    assert len(list(tmp_path.glob("detections/*/*.npz"))) == 6
    assert not broken.temporary(tmp_path)


@pytest.mark.parametrize("year", [1971, 2100])
def test_nothing_depends_on_the_clock(demo: DataPaths, demo_card: ModelCard, plain: Tuple[Path, Dict[str, Any]],
                                      tmp_path: Path, capsys: pytest.CaptureFixture, year: int) -> None:
    shutil.copytree(str(plain[0]), str(tmp_path / "cache"))
    seconds = (year - 1970) * 365.25 * 86400
    everything = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    for path in everything:
        os.utime(str(path), (seconds, seconds))

    done = _evaluate(demo_card, demo, tmp_path / "cache", num_examples=_IMAGES)

    assert _figures(done) == plain[1]
    assert [variant.speed for variant in done.variants.values()] == [None, None], "it was run again"
    assert {path.stat().st_mtime for path in everything if path.suffix != ".lock"} == {seconds}
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("words", "asking"), [
    (("time.time(", ".now(", "utcnow(", "gmtime("), ["contents.py"]),
    # To read a file again that was changed since this process has read it.
    (("mtime",), ["raw_outputs.py", "recorded_detections.py"])])
def test_the_engine_asks_for_the_time_only_to_print_it_or_to_see_that_a_file_was_changed(
        words: Tuple[str, ...], asking: List[str]) -> None:
    assert sorted(path.name for path in (ROOT / "quant_accuracy").rglob("*.py")
                  if any(word in path.read_text() for word in words)) == asking


@pytest.mark.soak
def test_paths_may_hold_spaces_and_letters_of_any_alphabet(demo: DataPaths, plain: Tuple[Path, Dict[str, Any]],
                                                           tmp_path: Path) -> None:
    folder = tmp_path / "a b, größe 量化 'quoted' #1 %20"
    shutil.copytree(str(demo.checkpoint.parent), str(folder / "checkpoint 模型"))
    (folder / "data").mkdir()
    for path in [*demo.dataset_dir.glob(demo.pattern), demo.annotations]:
        shutil.copy(str(path), str(folder / "data" / path.name))
    data = DataPaths(folder / "checkpoint 模型" / demo.checkpoint.name, folder / "data", demo.pattern,
                     folder / "data" / demo.annotations.name)

    arguments = ["--calibration-images", str(_CALIBRATION), "--eval-num-examples", str(_IMAGES),
                 "--eval-batch-size", "1", "--quantsim-output-dir", str(folder / "quantsim")]
    assert report.main(broken.arguments(data, folder, *arguments)) in (0, 1)

    found = broken.document(folder)["metrics"]
    for name, (images, figures) in plain[1].items():
        assert found[name]["images"] == images
        assert found[name]["figures"] == pytest.approx(figures, abs=1e-9)
    assert (folder / "output" / "report.html").exists()
    assert (folder / "quantsim" / "model.encodings").exists()


def test_shards_may_be_symbolic_links(demo: DataPaths, demo_card: ModelCard, plain: Tuple[Path, Dict[str, Any]],
                                      tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for path in demo.dataset_dir.glob(demo.pattern):
        (tmp_path / "links" / path.name).symlink_to(os.path.relpath(str(path), str((tmp_path / "links").resolve())))

    done = _evaluate(demo_card, replace(demo, dataset_dir=tmp_path / "links"), plain[0], num_examples=_IMAGES)

    assert _figures(done) == plain[1]
    assert [variant.speed for variant in done.variants.values()] == [None, None], "it was run again"


def test_one_image_of_one_shard_is_evaluated(demo: DataPaths, demo_card: ModelCard,
                                             plain: Tuple[Path, Dict[str, Any]]) -> None:
    done = _evaluate(demo_card, demo, plain[0], num_examples=1)

    assert [len(variant.merged.image_ids) for variant in done.variants.values()] == [1, 1]


def test_a_batch_may_be_larger_than_the_data_set(demo: DataPaths, demo_card: ModelCard,
                                                plain: Tuple[Path, Dict[str, Any]]) -> None:
    done = _evaluate(demo_card, demo, plain[0], batch_size=64, num_examples=_IMAGES)

    for name, (images, figures) in _figures(done).items():
        assert images == _IMAGES
        assert figures["mAP"] == pytest.approx(plain[1][name][1]["mAP"], abs=0.02)


def test_a_shard_of_no_records_adds_nothing_and_alone_is_a_clear_error(
        demo_copy: DataPaths, demo_card: ModelCard, plain: Tuple[Path, Dict[str, Any]]) -> None:
    folder = demo_copy.dataset_dir
    for path in folder.glob("val.record-*"):
        path.rename(folder / path.name.replace("-of-00002", "-of-00003"))
    (folder / "val.record-00002-of-00003").write_bytes(b"")
    data = replace(demo_copy, pattern="val.record-*-of-00003")

    with_it, without = (_evaluate(demo_card, data, plain[0], selection=selection) for selection in ("0,2", "0"))

    assert [len(variant.parts) for variant in with_it.variants.values()] == [2, 2]
    assert _figures(with_it) == _figures(without)
    with pytest.raises(ConfigurationError, match="the selected shards hold no image; select others with --shards"):
        _evaluate(demo_card, data, plain[0], selection="2")
