"""Faults that take long to show: a run that is killed again and again, and a data set of COCO's size."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterable, Iterator, List

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.scoring.metrics import FIGURES
from quant_accuracy.settings.card import DataPaths
from tests.support import broken, oracle, processes, suite
from tests.support.places import ROOT

_SELECTION = ("--shards", "0-3")
_KILLS = 20
_COPIES = 25
# Detections and their matches of an image, both variants, while the report is made.
_BYTES_OF_AN_IMAGE = 80_000


def _to_the_end(arguments: List[str]) -> str:
    process = processes.start_report(arguments)
    err = process.communicate(timeout=1200)[1]
    assert process.returncode in (0, 1), err
    return err


@pytest.mark.soak
def test_runs_that_are_killed_at_any_moment_and_resumed_end_as_if_nothing_had_been(demo: DataPaths,
                                                                                  tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    _to_the_end(broken.arguments(demo, whole, *_SELECTION))
    duration = time.monotonic() - began
    moments, kills, rounds, resumed = random.Random(20), 0, 0, []

    while kills < _KILLS:
        # Cold: it is killed while artifacts are made, too.
        folder = tmp_path / f"round-{rounds}"
        folder.mkdir()
        arguments = broken.arguments(demo, folder, *_SELECTION)
        finished: Dict[str, int] = {}
        for _ in range(3):
            process = processes.start_report(arguments)
            moment = moments.uniform(0.0, 1.0) * duration
            ended = processes.until(lambda process=process: process.poll() is not None, moment)  # type: ignore
            if not ended:
                os.kill(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
            now = broken.times(folder)
            assert {name: now.get(name) for name in finished} == finished, "a finished shard was evaluated again"
            finished = now
            if ended:
                break
            kills += 1
            resumed.append(f"{moment:.1f} s: {len(finished)} files, {len(broken.temporary(folder))} partial")
        _to_the_end(arguments)

        now = broken.times(folder)
        assert {name: now[name] for name in finished} == finished, "a finished shard was evaluated again"
        assert broken.document(folder) == broken.document(whole)
        assert broken.detections(folder) == broken.detections(whole)
        assert not broken.temporary(folder)
        rounds += 1
    print(f"{kills} kills in {rounds} rounds, uninterrupted {duration:.1f} s: {'; '.join(resumed)}")


def _repeated(demo: DataPaths, folder: Path) -> DataPaths:
    """Each image of the demo 25 times; ids put its copies side by side, and the first shards are those of the demo."""
    folder.mkdir()
    shards = sorted(demo.dataset_dir.glob(demo.pattern))
    count = _COPIES * len(shards)
    for copy in range(_COPIES):
        for index, shard in enumerate(shards):
            name = folder / f"many.record-{copy * len(shards) + index:05d}-of-{count:05d}"
            with tf.io.TFRecordWriter(str(name)) as writer:
                for record in tf.io.tf_record_iterator(str(shard)):
                    example = tf.train.Example.FromString(record)
                    ids = example.features.feature["image/source_id"].bytes_list.value
                    ids[0] = str(100 * int(ids[0]) + copy).encode()
                    writer.write(example.SerializeToString())
    document = json.loads(demo.annotations.read_text())
    document["images"] = [{**image, "id": 100 * image["id"] + copy} for copy in range(_COPIES)
                          for image in document["images"]]
    document["annotations"] = [{**thing, "id": _COPIES * thing["id"] + copy,
                                "image_id": 100 * thing["image_id"] + copy}
                               for copy in range(_COPIES) for thing in document["annotations"]]
    (folder / "instances.json").write_text(json.dumps(document))
    return replace(demo, dataset_dir=folder, pattern=f"many.record-*-of-{count:05d}",
                   annotations=folder / "instances.json")


def _peak(arguments: List[str], folder: Path) -> int:
    """The peak of the memory of a report, in bytes."""
    with open(str(folder / "said"), "w+") as said:
        process = subprocess.Popen([sys.executable, str(ROOT / "tools" / "report.py"), *arguments],
                                   stdout=said, stderr=said, env=suite.environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.WEXITSTATUS(status)
        said.seek(0)
        assert process.returncode in (0, 1), said.read()
    return int(usage.ru_maxrss) * 1024


def _copied(lines: Iterable[str]) -> Iterator[str]:
    """The records of the demo's detections, a line each, as they have to be when every image is there 25 times."""
    for image, records in itertools.groupby((line.strip(" [],\n") for line in lines),
                                            key=lambda line: int(json.loads(line)["image_id"])):
        of_image = list(records)
        for copy in range(_COPIES):
            for record in of_image:
                yield record.replace(f'"image_id": {image},', f'"image_id": {100 * image + copy},')


@pytest.mark.soak
def test_5000_images_take_the_memory_of_their_detections_and_keep_the_figures(demo: DataPaths, tmp_path: Path) -> None:
    data = {"few": demo, "many": _repeated(demo, tmp_path / "data")}
    peaks = {}
    for name, paths in data.items():
        (tmp_path / name).mkdir()
        peaks[name] = _peak(broken.arguments(paths, tmp_path / name), tmp_path / name)

    few, many = (broken.document(tmp_path / name)["metrics"] for name in ("few", "many"))
    print({name: f"{peak >> 20} MB" for name, peak in peaks.items()},
          [(key, few[key]["figures"]["mAP"], many[key]["figures"]["mAP"]) for key in few])
    for variant in few:
        assert (few[variant]["images"], many[variant]["images"]) == (200, 200 * _COPIES)
        files = [tmp_path / name / "output" / "detections" / f"{variant}.json" for name in ("few", "many")]
        with open(str(files[0])) as alone, open(str(files[1])) as together:
            for wanted, line in itertools.zip_longest(_copied(alone), together):
                assert line is not None
                assert line.strip(" [],\n") == wanted
        assert many[variant]["figures"] == pytest.approx(
            dict(zip(FIGURES, oracle.of_files(data["many"].annotations, files[1]).stats)), abs=1e-9)
    # Copies of a detection are a step of the curve that is climbed in 25 smaller ones: the envelope is the same. Not so
    # where right and wrong ones have equal scores, as 8 bits make them: they alternate, where one kind came first.
    assert many["float"]["figures"] == pytest.approx(few["float"]["figures"], abs=1e-9)
    assert peaks["many"] - peaks["few"] < 200 * (_COPIES - 1) * _BYTES_OF_AN_IMAGE
