"""AIMET's runs for its quantizers' variables, collected: nothing but their number changes."""

import logging
import sys
import threading
from pathlib import Path
from typing import Any, Iterator, List

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.client import session as client

from quant_accuracy.base.errors import GraphError
from quant_accuracy.quantization import aimet
from quant_accuracy.quantization.aimet import batching, installation
from quant_accuracy.quantization.aimet.batching import CollectingSession
from quant_accuracy.quantization.records import AIMET, BUILTIN, Quantization, Settings
from tests.support import stand_in, two_branches
from tests.support.two_branches import BATCHES, NAMES, Branches


@pytest.fixture(scope="module")
def branches(tmp_path_factory: Any) -> Branches:
    return two_branches.make(Path(tmp_path_factory.mktemp("branches")))


@pytest.fixture
def stood_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with stand_in.installed(monkeypatch, tmp_path):
        yield


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """What every real run of a session fetches, from now on."""
    found: List[Any] = []
    run = tf.Session.run

    def counted(self: tf.Session, fetches: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(self, CollectingSession) or sys._getframe(1).f_code.co_filename == batching.__file__:
            found.append(fetches)
        return run(self, fetches, *args, **kwargs)

    monkeypatch.setattr(client.BaseSession, "run", counted)
    return found


def _build(branches: Branches, folder: Path, simulator: str = AIMET, batched: bool = True) -> Quantization:
    settings = Settings(backend=AIMET, simulator=simulator)
    return aimet.build(branches.prefix, branches.network, NAMES, settings, None, BATCHES, folder, simulator == AIMET,
                       batched)


@pytest.mark.parametrize("simulator", [AIMET, BUILTIN])
def test_quantizers_and_encodings_are_the_same_with_and_without_in_far_fewer_runs(
        branches: Branches, stood_in: None, runs: List[Any], tmp_path: Path, simulator: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    slow = _build(branches, tmp_path / "one", simulator, batched=False)
    many = len(runs)
    quick = _build(branches, tmp_path / "two", simulator)
    few = len(runs) - many

    assert quick == slow
    assert sorted(path.name for path in (tmp_path / "one").rglob("*")) \
        == sorted(path.name for path in (tmp_path / "two").rglob("*"))
    # Restoring, saving, folding and calibrating are runs of their own, which no number of quantizers adds to.
    assert few <= 40
    assert many - few > 5 * len(quick.quantizers)


def test_tensorflow_and_aimet_are_as_before_behind_it_also_after_an_error(branches: Branches, stood_in: None,
                                                                         tmp_path: Path) -> None:
    modules = installation.load_modules()
    before = modules.graph_saver.tf, tf.Session, tf.Session.run
    opened: List[tf.Session] = []
    with batching.sessions(modules):
        opened.append(modules.graph_saver.tf.compat.v1.Session())
        assert opened[0]._config.graph_options.rewrite_options.disable_meta_optimizer
        assert modules.graph_saver.tf.compat.v1.train.Saver is tf.train.Saver
    with batching.sessions(modules, optimized=True):
        opened.append(modules.graph_saver.tf.Session())
        assert not opened[1]._config.graph_options.rewrite_options.disable_meta_optimizer
    with pytest.raises(tf.errors.NotFoundError), batching.sessions(modules):
        _fails(modules.graph_saver.tf.Session())
    broken = branches._replace(prefix=two_branches.make(tmp_path / "broken").prefix)
    for path in broken.prefix.parent.glob("*.data*"):
        path.write_bytes(b"no values")
    with pytest.raises(GraphError):
        _build(broken, tmp_path)

    assert (modules.graph_saver.tf, tf.Session, tf.Session.run) == before
    assert [isinstance(session, CollectingSession) for session in opened] == [True, True]
    for session in opened:
        variable = _variable(session)
        session.run(variable.initializer)
        assert session._initialised == {}
        session.close()


def test_a_version_that_opens_its_sessions_elsewhere_is_run_as_it_is(branches: Branches, stood_in: None,
                                                                    monkeypatch: pytest.MonkeyPatch, runs: List[Any],
                                                                    tmp_path: Path) -> None:
    wanted = _build(branches, tmp_path, BUILTIN)
    few = len(runs)
    monkeypatch.setattr(batching, "_opener", lambda modules: None)

    assert _build(branches, tmp_path, BUILTIN) == wanted
    assert len(runs) > 3 * few


def test_two_threads_build_one_after_the_other(branches: Branches, stood_in: None, tmp_path: Path) -> None:
    found: List[Quantization] = []
    disabled = logging.root.manager.disable  # type: ignore[attr-defined]
    threads = [threading.Thread(target=lambda: found.append(_build(branches, tmp_path, BUILTIN))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 2
    assert found[0] == found[1]
    assert logging.root.manager.disable == disabled  # type: ignore[attr-defined]


def _fails(session: tf.Session) -> tf.Session:
    """Raises an error of TensorFlow's, the session being closed."""
    with session:
        raise tf.errors.NotFoundError(None, None, "no such file")


def _variable(session: tf.Session, value: Any = 3, name: str = "a_quantized_op_mode", dtype: Any = tf.int32) -> Any:
    with session.graph.as_default():
        return tf.Variable(value, name=name, dtype=dtype, use_resource=False)


@pytest.fixture
def session() -> Iterator[CollectingSession]:
    with tf.Graph().as_default() as graph:
        session = CollectingSession(graph=graph)
    yield session
    session.close()


def test_the_last_of_what_was_initialised_and_set_is_what_is_read(session: CollectingSession, runs: List[Any]) -> None:
    first = _variable(session)
    second = _variable(session, name="b_quantized_op_mode")
    session.run([first.initializer, second.initializer])
    first.load(5, session)
    first.load(7, session)
    assert runs == []

    assert session.run(first) == 7
    assert session.run([first, second]) == [7, 3]
    first.load(8, session)
    session.run(first.initializer)
    assert session.run(first) == 3
    second.load(9, session)
    assert second.eval(session) == 9
    kinds = {type(session.run(first)), type(tf.Session.run(session, first))}
    assert kinds == {np.int32}


@pytest.mark.parametrize(("ending", "kind", "value"), [
    ("op_mode", tf.int32, 2), ("quant_ref", tf.int64, 2 ** 62 + 1), ("encoding_min", tf.float64, -0.1),
    ("encoding_max", tf.float64, 1 / 3), ("bit_width", tf.int8, 16), ("use_symmetric_encoding", tf.bool, True)])
def test_what_is_read_is_what_a_plain_session_gives(session: CollectingSession, ending: str, kind: Any,
                                                    value: Any) -> None:
    variable = _variable(session, kind.as_numpy_dtype(0), f"a_quantized_{ending}", kind)
    session.run(variable.initializer)
    variable.load(value, session)

    known = session.run(variable)
    session.flush()
    stored = tf.Session.run(session, variable)

    assert type(known) is type(stored)
    assert known == stored == value


def test_a_run_of_anything_else_sees_what_was_put_off(session: CollectingSession) -> None:
    variable = _variable(session)
    with session.graph.as_default():
        doubled = variable * 2
        add = tf.assign_add(variable, 10)
        read_behind = tf.identity(variable)
        placeholder = tf.placeholder(tf.int32, [])
        fed = tf.assign(variable, placeholder)
    session.run(variable.initializer)
    assert session.run(doubled) == 6
    variable.load(4, session)
    assert session.run({"x": doubled}) == {"x": 8}
    variable.load(5, session)
    assert session.run(add) == 15
    assert session.run(variable) == 15
    session.run(fed.op, {placeholder: 21})
    assert session.run(variable) == 21
    assert session.run(read_behind) == 21
    variable.load(6, session)
    assert session.run(variable, {variable: 99}) == 99
    assert session.run(variable) == 6


def test_other_variables_are_set_at_once(session: CollectingSession, runs: List[Any]) -> None:
    other = _variable(session, name="weights")
    session.run(other.initializer)
    other.load(4, session)

    assert len(runs) == 2
    assert session.run(other) == 4


def test_what_tensorflow_refuses_is_refused_at_once(session: CollectingSession) -> None:
    variable = _variable(session)
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(variable)
    session.run(variable.initializer)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        variable.load([1, 2], session)
    with pytest.raises((TypeError, ValueError, OverflowError)):
        variable.load(2 ** 40, session)
    assert session.run(variable) == 3


def test_a_variable_that_has_no_value_yet_keeps_none_of_the_others_from_being_read(session: CollectingSession) -> None:
    ready, waiting = _variable(session), _variable(session, name="b_quantized_op_mode")
    session.run(ready.initializer)

    assert session.run(ready) == 3
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(waiting)


def test_a_callable_of_the_session_sees_all_that_is_set(session: CollectingSession) -> None:
    variable = _variable(session)
    with session.graph.as_default():
        doubled = variable * 2
    session.run(variable.initializer)
    call = session.make_callable(doubled)
    variable.load(8, session)

    assert call() == 16


def test_no_run_optimizes_the_graph_and_what_was_configured_stays() -> None:
    given = tf.ConfigProto(intra_op_parallelism_threads=1)
    given.gpu_options.allow_growth = True

    found = batching.unoptimized(given)

    assert found.graph_options.rewrite_options.disable_meta_optimizer
    assert found.intra_op_parallelism_threads == 1
    assert found.gpu_options.allow_growth
    assert not given.graph_options.rewrite_options.disable_meta_optimizer
