"""Many steps a launch do what the same steps do one by one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, feeds
from keras_rbm.training import launches
from keras_rbm.training.launches import steps_a_launch
from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed

X = binary_states(5)[:27].astype("float32")
REAL = np.random.default_rng(0).normal(size=(27, 5)).astype("float32")
WEIGHTS = np.arange(27) % 3 + 0.5


@pytest.fixture(autouse=True)
def large_steps(monkeypatch) -> None:
    """Tiny as they are, steps are run as those of large machines are."""
    monkeypatch.setattr(launches, "LARGE_STEP", 0)


@pytest.mark.parametrize(
    ("num_steps", "most", "whole", "expected"),
    [
        (600, 100, False, 100),
        (65, 100, False, 65),
        (433, 100, False, 87),  # a prime: four launches of 87, one of 85
        (433, 100, True, 1),
        (96, 32, True, 32),
        (1, 100, False, 1),
        (0, 100, False, 1),
        (-1, 100, False, 1),
        (7, 1, False, 1),
    ],
)
def test_how_many_steps(num_steps, most, whole, expected):
    assert steps_a_launch(num_steps, most, whole) == expected


def trained(x, make=lambda: RBM(3, visible="gaussian", seed=0), **options) -> RBM:
    machine = make()
    machine.compile(keras.optimizers.SGD(0.05, momentum=0.5), jit_compile=False, **options)
    fitted = {} if isinstance(x, tf.data.Dataset) else {"batch_size": 4, "sample_weight": WEIGHTS, "shuffle": False}
    machine.fit(x, epochs=2, verbose=0, **fitted)
    return machine


def assert_alike(a: keras.Model, b: keras.Model) -> None:
    for x, y in zip(a.weights, b.weights, strict=True):
        np.testing.assert_allclose(np.array(x), np.array(y), rtol=2e-5, atol=1e-6, err_msg=x.path)


@pytest.mark.parametrize("steps", [3, 7, "auto"])
def test_steps_of_a_launch_are_those_one_by_one(steps):
    """Seven batches, the last one smaller: launches that divide them and ones that do not; key, offsets and all."""
    assert_alike(trained(REAL, steps_per_execution=steps), trained(REAL, steps_per_execution=1))


def test_streamed_batches_teach_what_resident_ones_do(monkeypatch):
    resident = trained(REAL)
    monkeypatch.setattr(feeds, "MOST_RESIDENT", 0)
    assert_alike(trained(REAL), resident)


def test_a_dataset_teaches_what_an_array_does():
    data = tf.data.Dataset.from_tensor_slices((REAL, REAL, WEIGHTS)).batch(4)
    assert_alike(trained(data), trained(REAL))


@pytest.mark.parametrize("centered", [True, False])
def test_places_without_a_case_teach_nothing(centered):
    """With given samples a step draws nothing: what places of weight 0 would change shows against Keras's own loop."""

    def make() -> RBM:
        return RBM(3, sampler=Fixed(X[[3, 17]]), centered=centered, seed=0)

    launched, eager = trained(X, make), trained(X, make, run_eagerly=True)
    for x, y in zip(launched.trainable_weights, eager.trainable_weights, strict=True):
        np.testing.assert_allclose(np.array(x), np.array(y), rtol=2e-5, atol=1e-6)


class StoppedAt(keras.callbacks.Callback):
    """Counts the returns to Python."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(batch)


def test_callbacks_of_batches_are_called_once_a_launch():
    counter, rbm = StoppedAt(), RBM(3, seed=0)
    rbm.compile("sgd", jit_compile=False, steps_per_execution=3)
    rbm.fit(X, batch_size=3, epochs=2, callbacks=[counter], verbose=0)
    assert counter.batches == [2, 5, 8] * 2
    assert int(rbm.optimizer.iterations) == 18


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_a_fault_in_a_launch_leaves_what_the_steps_before_it_made(value):
    """Of a dataset, whose batches are looked at when they come: the third of a launch of seven is at fault."""
    bad = X.copy()
    bad[9, 2] = value

    def fitted(x: np.ndarray, rows: int) -> RBM:
        rbm = RBM(3, seed=0, sampler="pcd")
        rbm.compile(keras.optimizers.SGD(0.5, momentum=0.5), jit_compile=False, steps_per_execution=7)
        data = tf.data.Dataset.from_tensor_slices(x[:rows]).batch(4)
        if rows == len(X):
            with pytest.raises(ValueError, match=r"Bernoulli units need values in \[0, 1\]"):
                rbm.fit(data, verbose=0)
        else:
            rbm.fit(data, verbose=0)
        return rbm

    failed, sound = fitted(bad, len(X)), fitted(X, 8)
    assert int(failed.optimizer.iterations) == 2
    for x, y in zip(failed.trainable_weights, sound.trainable_weights, strict=True):
        np.testing.assert_array_equal(np.array(x), np.array(y))
    np.testing.assert_array_equal(failed.sampler.chains, sound.sampler.chains)


def test_divergence_in_a_launch_costs_no_parameter():
    rbm = RBM(3, visible="gaussian", hidden="gaussian", kernel_constraint=keras.constraints.MaxNorm(1e30), seed=0)
    rbm.compile(keras.optimizers.SGD(1e9), jit_compile=False)
    with pytest.raises(FloatingPointError, match="learning rate"):
        rbm.fit(REAL, batch_size=4, epochs=5, verbose=0)
    assert all(np.isfinite(np.array(x)).all() for x in rbm.weights)


class Validated(StoppedAt):
    """Counts the returns to Python in validation."""

    def on_test_batch_end(self, batch, logs=None):
        self.batches.append(batch)

    on_train_batch_end = keras.callbacks.Callback.on_train_batch_end


def test_validation_has_batches_of_the_size_of_training():
    counter, rbm = Validated(), RBM(3, seed=0)
    rbm.compile("sgd", jit_compile=False, steps_per_execution=1)
    rbm.fit(X, batch_size=9, validation_data=X, callbacks=[counter], verbose=0)
    assert counter.batches == [0, 1, 2]


class Counting(RBM):
    """With a step of its own, as Keras lets users write them."""

    def train_step(self, data):
        return {**super().train_step(data), "cases": tf.cast(tf.shape(data)[0], tf.float32)}


def test_a_step_of_a_user_is_what_runs():
    rbm = Counting(3, seed=0)
    rbm.compile("sgd", jit_compile=False)
    history = rbm.fit(X[:24], batch_size=4, verbose=0).history
    assert history["cases"] == [4]
    assert int(rbm.optimizer.iterations) == 6


def test_validation_has_every_case_once():
    """Of 27 in batches of 4: the mean that `evaluate` gives is that of all, each step of which logs all there is."""
    rbm = RBM(3, sampler=Fixed(X[[3, 17]]), seed=0)
    rbm.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    logs = rbm.fit(X, batch_size=4, validation_data=X, verbose=0).history
    error = np.mean(rbm.reconstruction_error(X))
    np.testing.assert_allclose(logs["val_reconstruction_error"], [error], rtol=1e-5)
    np.testing.assert_allclose(logs["val_loss"], logs["loss"], rtol=1e-5)
    assert rbm.evaluate(X, batch_size=4, return_dict=True, verbose=0)["reconstruction_error"] == pytest.approx(error)


def test_a_batch_by_itself_between_two_fits():
    rbm = trained(REAL)
    before = np.array(rbm.w_rec)
    rbm.train_on_batch(REAL[:4])
    assert not np.array_equal(rbm.w_rec, before)
    rbm.fit(REAL, batch_size=4, verbose=0)
    assert int(rbm.optimizer.iterations) == 7 * 3 + 1


@pytest.mark.slow
def test_compiled_by_xla():
    """The same for a stack, whose steps draw: launches of XLA's against single ones of its own."""
    stacks = []
    for steps in (1, 7):
        dbn = DBN([4, 3], visible="gaussian", seed=0)
        dbn.compile(keras.optimizers.SGD(0.05), steps_per_execution=steps)
        dbn.fit(REAL, batch_size=4, epochs=2, shuffle=False, verbose=0)
        stacks.append(dbn)
    assert_alike(*stacks)
