"""How sessions run."""

import subprocess
import sys
from typing import Optional

import pytest
import tensorflow.compat.v1 as tf

from quant_accuracy.graph import sessions
from tests.support.places import ROOT


def test_ops_run_on_one_thread_whoever_opened_a_session_before() -> None:
    script = """
import time
from quant_accuracy.graph import sessions
import numpy as np
import tensorflow.compat.v1 as tf
with tf.Graph().as_default() as graph:
    start = tf.placeholder(tf.float32, [1000, 1000], name="start")
    end = start
    for _ in range(8):
        end = tf.matmul(end, start)
    feed = {start.name: np.ones([1000, 1000], np.float32)}
    with tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=8)) as first:
        first.run(end, feed)
with sessions.open_session(graph.as_graph_def()) as session:
    session.run(end.name, feed)
    wall, cpu = time.perf_counter(), time.process_time()
    session.run(end.name, feed)
    print((time.process_time() - cpu) / (time.perf_counter() - wall))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, cwd=str(ROOT))
    # One thread cannot use more than the time that passes; two came to 1.9.
    assert float(done.stdout) < 1.3


@pytest.mark.parametrize(("number", "onednn", "said"), [
    ("1.15.5", "0", "1.15.5"), ("2.21.0", "1", "2.21.0"), ("2.21.0", None, "2.21.0"),
    ("2.21.0", "0", "2.21.0 without oneDNN"), ("2.21.0", "false", "2.21.0 without oneDNN")])
def test_the_version_says_whether_sums_are_those_of_onednn(number: str, onednn: Optional[str], said: str,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf, "__version__", number)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if onednn is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", onednn)

    assert sessions.version() == said
