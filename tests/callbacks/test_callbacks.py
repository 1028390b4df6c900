"""What is watched while a machine trains, read back from TensorBoard's files."""

import contextlib
from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_rbm import DBM, DBN, RBM, callbacks
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.callbacks import FreeEnergyGap, PianoRolls, Pictures
from keras_rbm.models.sequence.generator import Generator
from tests.oracles.kinds import binary_states

X = binary_states(6).astype("float32")
SHAPE = (2, 3)


def fitted(*used, machine=None, epochs=3, **kwargs) -> keras.callbacks.History:
    machine = machine or RBM(4, seed=0)
    machine.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    return machine.fit(X, epochs=epochs, callbacks=list(used), verbose=0, **kwargs)


def events(folder) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0, "scalars": 0})
    found.Reload()
    return found


def scalars(folder, tag: str) -> list[float]:
    return [float(tf.make_ndarray(event.tensor_proto)) for event in events(folder).Tensors(tag)]


def test_public_names():
    assert set(callbacks.__all__) >= {"FreeEnergyGap", "PianoRolls", "Pictures"}


# --- free energy gap


def by_hand(rbm: RBM, x: np.ndarray) -> float:
    """Mean of F(v) = -b.v - sum log(1 + exp(c + v.W))."""
    w, b, c = (np.asarray(p, "float64") for p in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias))
    return np.mean(-x @ b - np.logaddexp(0, c + x @ w).sum(1))


def test_free_energy_gap_is_validation_less_training_at_the_same_parameters():
    rbm, train, validation, expected = RBM(4, seed=0), X[:20], X[40:], []

    class ByHand(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            expected.append(by_hand(rbm, validation) - by_hand(rbm, train))

    history = fitted(FreeEnergyGap(train, validation), ByHand(), machine=rbm).history
    np.testing.assert_allclose(history["free_energy_gap"], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).min() > 1e-3


def test_a_fixed_part_of_large_sets_is_used():
    seen = []

    @AbstractRBM.register
    class Model:
        has_free_energy = True

        def free_energy(self, x):
            seen.append(np.array(x))
            return np.zeros(len(x))

    gap = FreeEnergyGap(X, X[:5], num_cases=10, seed=1)
    gap.set_model(Model())
    for epoch in range(2):
        gap.on_epoch_end(epoch, {})
    assert [len(x) for x in seen] == [10, 5, 10, 5]
    np.testing.assert_array_equal(seen[0], seen[2])
    assert len(np.unique(seen[0], axis=0)) == 10, "rows are drawn without replacement"
    assert not np.array_equal(seen[0], X[:10])


def test_the_gap_reaches_tensorboard_and_early_stopping(tmp_path):
    stop = keras.callbacks.EarlyStopping("free_energy_gap", mode="min", min_delta=100.0, patience=2)
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    history = fitted(FreeEnergyGap(X[:20], X[40:]), stop, board, epochs=9)
    assert len(history.epoch) == 1 + 2
    written = scalars(tmp_path / "train", "epoch_free_energy_gap")
    np.testing.assert_allclose(written, history.history["free_energy_gap"], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[:0], X), "`x_train` must have at least one row"),
        ((X, X[:0]), "`x_validation` must have at least one row"),
        ((X, X, 0), "`num_cases` must be a positive integer"),
        ((X, X, 2.5), "`num_cases` must be a positive integer"),
    ],
)
def test_bad_arguments_of_the_gap(arguments, message):
    with pytest.raises(ValueError, match=message):
        FreeEnergyGap(*arguments)


# --- scalars


def test_keras_writes_the_scalars(tmp_path):
    history = fitted(keras.callbacks.TensorBoard(tmp_path, write_graph=False), validation_data=X).history
    for name, values in history.items():
        part, tag = ("validation", name.removeprefix("val_")) if name.startswith("val_") else ("train", name)
        np.testing.assert_allclose(scalars(tmp_path / part, f"epoch_{tag}"), values, rtol=1e-6)
    assert len(history) == 6


# --- pictures


@pytest.mark.parametrize("make", [lambda: RBM(4, seed=0), lambda: DBN([4, 3], seed=0), lambda: DBM([4, 3], seed=0)])
@pytest.mark.few(1)
def test_pictures_each_two_epochs(make, tmp_path):
    fitted(Pictures(tmp_path, X[:7], SHAPE, every=2, num_steps=3), machine=make(), epochs=5)
    found = events(tmp_path)
    assert set(found.Tags()["tensors"]) == {"filters", "reconstructions", "fantasies"}
    for name in ("filters", "reconstructions", "fantasies"):
        written = found.Tensors(name)
        assert [event.step for event in written] == [1, 3]
        for event in written:
            width, height, png = event.tensor_proto.string_val
            assert int(width) > 10
            assert int(height) > 10
            assert png.startswith(b"\x89PNG")


def test_filters_change_while_the_machine_learns(tmp_path):
    fitted(Pictures(tmp_path, X[:3], SHAPE, num_steps=1), epochs=2)
    first, second = (event.tensor_proto.string_val[2] for event in events(tmp_path).Tensors("filters"))
    assert first != second


def test_fantasy_particles_go_on(tmp_path):
    """Each writing starts where the one before ended."""
    calls = []

    class Watched(RBM):
        def run_chains(self, state, num_steps, mean=True):
            calls.append((np.array(state), num_steps))
            after, visible = super().run_chains(state, num_steps, mean)
            calls[-1] += (np.array(after),)
            return after, visible

    fitted(Pictures(tmp_path, X[:3], SHAPE, num_steps=2), machine=Watched(4, seed=0), epochs=3)
    assert [num_steps for _, num_steps, _ in calls] == [2, 2, 2]
    for (_, _, after), (before, _, _) in pairwise(calls):
        np.testing.assert_array_equal(before, after)


def test_pictures_as_files_alone(tmp_path):
    fitted(Pictures(None, X[:3], SHAPE, every=2, num_steps=1, folder=tmp_path / "new"), epochs=4)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        f"{kind}-{n}.png" for kind in ("filters", "reconstructions", "fantasies") for n in ("0002", "0004")
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_dir": None}, "need a place. Received: log_dir=None, folder=None"),
        ({"image_shape": (3, 3)}, r"\(number, 9\).*Received: shape=\(64, 6\)"),
        ({"every": 0}, "`every` must be a positive integer"),
        ({"num_steps": -1}, "`num_steps` must be a positive integer"),
        ({"x": X[0]}, r"\(number, 6\)"),
    ],
    ids=str,
)
def test_bad_arguments_of_pictures(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        Pictures(**{"log_dir": tmp_path, "x": X, "image_shape": SHAPE, **arguments})


# --- piano rolls

ROLL = (np.random.default_rng(0).random((12, 6)) < 0.3).astype("uint8")


@Generator.register
class Musician(keras.Model):
    """Generates the roll it is asked for, turned round in time."""

    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(6)
        self.asked = []

    def call(self, x):
        return self.layer(x)

    def set_aside(self, name):
        return contextlib.nullcontext()

    def generate(self, num_frames, num_sequences=1):
        self.asked.append((num_frames, num_sequences))
        return tf.constant(ROLL[None, ::-1][:, :num_frames], tf.float32)


def played(callback, epochs=5) -> Musician:
    model = Musician()
    model.compile("sgd", "mse")
    model.fit(X, X, epochs=epochs, callbacks=[callback], verbose=0)
    return model


def test_piano_rolls_each_two_epochs(tmp_path):
    model = played(PianoRolls(tmp_path, ROLL, 0.3, 60, every=2))
    assert model.asked == [(12, 1), (12, 1)]
    found = events(tmp_path)
    assert found.Tags()["tensors"] == ["piano_rolls"]
    assert [event.step for event in found.Tensors("piano_rolls")] == [1, 3]
    for event in found.Tensors("piano_rolls"):
        assert event.tensor_proto.string_val[2].startswith(b"\x89PNG")


@pytest.mark.parametrize("num_frames", [None, 5, 40])
def test_piano_rolls_show_as_many_frames_as_asked_for(num_frames, tmp_path, monkeypatch):
    seen, drawn = [], callbacks.piano_rolls.plots.piano_rolls
    monkeypatch.setattr(callbacks.piano_rolls.plots, "piano_rolls", lambda *args: seen.append(args) or drawn(*args))
    model = played(PianoRolls(tmp_path, ROLL, 0.3, 60, num_frames=num_frames), epochs=1)
    assert model.asked == [(num_frames or 12, 1)]
    rolls, dt, lowest = seen[-1]
    assert (dt, lowest) == (0.3, 60)
    np.testing.assert_array_equal(rolls["training"], ROLL[:num_frames])
    np.testing.assert_array_equal(rolls["generated"], ROLL[::-1][:num_frames])


def test_a_machine_that_does_not_generate(tmp_path):
    with pytest.raises(ValueError, match=r"a machine that generates sequences\. Received: RBM"):
        fitted(PianoRolls(tmp_path, ROLL, 0.3, 60))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"every": 0}, "`every` must be a positive integer"),
        ({"num_frames": 0}, "`num_frames` must be a positive integer"),
        ({"dt": -1}, "`dt` must be a positive number of seconds"),
        ({"roll": ROLL / 2}, "0 and 1 only"),
        ({"roll": ROLL[0]}, r"shape \(frames, notes\)"),
    ],
    ids=str,
)
def test_bad_arguments_of_piano_rolls(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        PianoRolls(**{"log_dir": tmp_path, "roll": ROLL, "dt": 0.3, "lowest": 60, **arguments})
