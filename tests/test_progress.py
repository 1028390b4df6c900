"""How far something is: what is shown, to whom, and that it changes nothing."""

import io
import re
from functools import partialmethod
from unittest import mock

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_rbm import DBM, DBN, RBM, RNNRBM, likelihood, progress, units
from tests.support.eager import eager_functions as eagerly

X = (np.random.default_rng(0).random((12, 6)) > 0.5).astype("float32")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    """A person who watches stderr, at once."""
    made = Terminal()
    for name, value in {"TERM": "xterm", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=made))
    monkeypatch.setattr(progress.Progress, "update", partialmethod(progress.Progress.update, refresh=True))
    monkeypatch.setattr(progress, "_DELAY", 0.0)
    return made


def shown(terminal: Terminal) -> list[str]:
    """The lines that were on the screen, without colours and bars."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return [re.sub(r"[━╸╺ ]+", " ", line).strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


# --- who sees it


def work(number: int = 3, **options) -> list[tuple[int, int]]:
    return list(progress.parts(number, 2, "counting", "sheep", **options))


def test_a_line_moves_and_goes(terminal):
    assert work() == [(0, 2), (2, 3)]
    assert next(line for line in shown(terminal) if "sheep" in line).startswith("counting sheep 2 of 3")
    assert "counting sheep 3 of 3 0:00 left" in shown(terminal)
    assert terminal.getvalue().endswith("\x1b[2K\x1b[?25h\r")  # the line is wiped out, the cursor back
    assert progress.Line._screen is None


def test_what_is_done_soon_needs_no_line(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_DELAY", 60.0)
    work()
    assert terminal.getvalue() == ""


def test_nobody_watches(capsys):
    assert work() == [(0, 2), (2, 3)]
    assert capsys.readouterr() == ("", "")
    work(verbose=1)
    assert capsys.readouterr() == ("", "counting: 3 sheeps in 0:00\n")


@pytest.mark.parametrize("off", ["verbose", "keras", "dumb"])
def test_it_can_be_switched_off(off, terminal, monkeypatch):
    if off == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if off == "keras":
        keras.config.disable_interactive_logging()
    try:
        assert progress.is_watched() == (off == "verbose")
        work(verbose=0 if off == "verbose" else "auto")
    finally:
        keras.config.enable_interactive_logging()
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("there", [True, False])
def test_a_notebook_has_lines_if_it_has_widgets(there, monkeypatch):
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=io.StringIO(), force_jupyter=True))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if there else None)
    assert progress.is_watched() == there


def test_an_error_leaves_no_line_behind(terminal):
    def fail() -> None:
        for _ in progress.parts(3, 1, "counting", "sheep"):
            if progress.Line._screen is not None:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert progress.Line._screen is None
    assert "\x1b[?25h" in terminal.getvalue()


def test_lines_inside_one_another_share_the_screen(terminal):
    with progress.Line("outer", 2, True) as outer:
        outer.move(1, "")
        work()
        assert len(progress.Line._screen.tasks) == 1
    assert progress.Line._screen is None


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (65, "1:05"), (7210, "2:00:10"), (-3, "0:00")])
def test_seconds_in_words(seconds, words):
    assert progress.in_minutes(seconds) == words


# --- jobs


def test_the_time_left_is_that_of_all_stages(monkeypatch):
    """An epoch of work 1 takes 2 seconds, and what a stage begins with 5: left are 2 of them, and 3 of work 2."""
    clock, told = mock.Mock(side_effect=lambda: clock.now), []
    clock.now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", clock)
    monkeypatch.setattr(progress.Line, "show", lambda self, done, where, note, left: told.append((where, left)))
    stages = {name: progress.Stage(name, n, w, "loss", "{}") for name, n, w in (("a", 4, 1.0), ("b", 3, 2.0))}
    job = progress.Job(stages)
    job.begin("a", 4)
    job.skip("a", 0)
    for epoch, now in ((1, 5.0), (2, 7.0)):
        clock.now = now
        job.reach("a", epoch)
    assert told[-2:] == [("epoch 2 of 4", None), ("epoch 3 of 4", 2 * 2.0 + 3 * 4.0 + 5.0)]
    clock.now += 1.0
    job.is_watched = True
    job.reach_batch("a", 1, 2)
    assert told[-1] == ("epoch 3 of 4", 20.0)


def test_epochs_that_were_done_before_took_no_time(monkeypatch):
    """What is left are 4 of the 10 epochs, after 2 that took 3 seconds each."""
    told = []
    monkeypatch.setattr(progress.Line, "show", lambda self, done, where, note, left: told.append((where, left)))
    job = progress.Job({"a": progress.Stage("a", 10, 1.0, "loss", "{}")})
    job.begin("a", 10)
    job.skip("a", 3)
    assert told[-1] == ("epoch 4 of 10", None)
    for epoch in (4, 5, 6):
        job._at -= 3.0
        job.reach("a", epoch)
    where, left = told[-1]
    assert where == "epoch 7 of 10"
    assert left == pytest.approx(12.0, abs=2.0)


# --- what it says of calls, and that these give the same


def built(machine):
    machine.build((None, None, 6) if isinstance(machine, RNNRBM) else (None, 6))
    for variable in machine.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(0, 0.5, variable.shape))
    return machine


MACHINES = {
    "RBM": lambda: RBM(4, seed=0),
    "Gaussian": lambda: RBM(4, visible=units.Gaussian(), seed=0),
    "DBN": lambda: DBN([5, 4], seed=0),
    "DBM": lambda: DBM([5, 4], seed=0),
}
CLAMP = {"clamp": np.arange(6) < 2, "values": X}
CALLS = {
    "sample": lambda m: m.sample(5, 23),
    "mean": lambda m: m.sample(5, 23, mean=True),
    "anneal": lambda m: m.sample(5, 23, anneal=[0.1, 1.0]),
    "trajectories": lambda m: m.trajectories(3, 2, 23),
}
OTHERS = {
    "clamp": (MACHINES["RBM"], lambda m: m.sample(num_steps=23, **CLAMP)),
    "impute": (MACHINES["RBM"], lambda m: m.impute(np.where(CLAMP["clamp"], X, np.nan), 23, 7)),
    "generate": (lambda: RNNRBM(4, keras.layers.SimpleRNN(3, seed=0), seed=0), lambda m: m.generate(23, num_steps=2)),
    "prime": (
        lambda: RNNRBM(4, keras.layers.LSTM(3, seed=0), seed=0),
        lambda m: m.generate(23, X[:4], num_sequences=2, num_steps=2, clamp=np.arange(6) < 2, values=X[0]),
    ),
}
PAIRS = [
    *[("RBM", call) for call in ("sample", "anneal", "trajectories")],
    *[(kind, "mean") for kind in ("Gaussian", "DBN", "DBM")],
]
CASES = {f"{kind} {call}": (MACHINES[kind], CALLS[call]) for kind, call in PAIRS} | OTHERS
LONG = {f"{kind} anneal": (MACHINES[kind], CALLS["anneal"]) for kind in ("Gaussian", "DBN", "DBM")}


@pytest.mark.few(len(CASES))
@pytest.mark.parametrize(("make", "call"), (CASES | LONG).values(), ids=CASES | LONG)
def test_in_parts_it_is_the_same_to_the_bit(make, call, terminal, monkeypatch):
    """The values, and the keys and states that the next call goes on from."""
    whole, parted = built(make()), built(make())
    expected = np.array(call(whole))
    monkeypatch.setattr(progress, "few", lambda total, work: 5)
    np.testing.assert_array_equal(call(parted), expected)
    assert any(re.search(r"(sweep|frame|row) \d+ of \d+", line) for line in shown(terminal))
    for a, b in zip(whole.get_weights(), parted.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MACHINES)
def test_compiled_by_xla_too(kind, terminal, monkeypatch):
    monkeypatch.setattr("keras_rbm.models.machine._LONG", 0)
    test_in_parts_it_is_the_same_to_the_bit(MACHINES[kind], CALLS["anneal"], terminal, monkeypatch)


def test_where_nobody_watches_nothing_is_cut():
    assert progress.few(10**6, 1e6) == 10**6


def test_mean_field_says_how_far_it_is(terminal):
    dbm = built(DBM([5, 4], seed=0, tolerance=1e-6))
    found = dbm.mean_field(X)
    assert any(re.match(r"mean field step 2 of at most 30 largest change 0\.\d+", line) for line in shown(terminal))
    for mean, there in zip(found, dbm._posterior(X).means.values(), strict=False):
        assert mean.shape[0] == there.shape[0] == len(X)


def test_annealing_says_how_far_it_is(terminal, monkeypatch):
    monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    monkeypatch.setattr("keras_rbm.likelihood.annealing._CHUNK", 10)
    with eagerly():
        likelihood.reverse_ais(built(RBM(4, seed=0)), X, num_chains=2, num_temperatures=23, burn_in=12)
    lines = shown(terminal)
    assert any(line.startswith("Gibbs sweeps from data sweep 10 of 12") for line in lines)
    assert any(line.startswith("reverse AIS temperature 20 of 23") for line in lines)


# --- pretraining


@pytest.mark.parametrize("verbose", ["auto", 2])
def test_pretraining_is_a_line_a_layer(verbose, terminal, capsys):
    dbn = DBN([5, 4], seed=0)
    histories = dbn.pretrain(X, epochs=2, validation_data=X[:4], run_eagerly=True, verbose=verbose)
    assert [len(history.epoch) for history in histories] == [2, 2]
    lines, (said, stays) = shown(terminal), capsys.readouterr()
    if verbose == "auto":
        assert any(line.startswith("layer 1 of 2 epoch 2 of 2 validation error") for line in lines)
        assert re.search(r"^layer 2 of 2: 2 epochs in 0:\d\d; validation error \d\.\d\d nats$", stays, re.M)
        assert said == ""
    else:
        assert not lines
        assert "Layer 2 of 2: 5-4\nEpoch 1/2\n" in said


def test_pretraining_an_rnn_rbm_is_a_line_a_stage(terminal, capsys):
    model = RNNRBM(3, keras.layers.SimpleRNN(2, seed=0), seed=0)
    with eagerly():
        model.pretrain(X.reshape(3, 4, 6), epochs=2, recurrent_epochs=1)
    said, stays = capsys.readouterr()
    assert said == ""
    assert [line.split(" in ")[0] for line in stays.splitlines()] == [
        "The RBM, on single frames: 2 epochs",
        "The recurrence, on predicting frames: 1 epoch",
    ]
    assert any(line.startswith("The RBM, on single frames epoch 2 of 2") for line in shown(terminal))
