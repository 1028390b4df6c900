"""Momentum, weight decay and schedules against NumPy: the learning rate enters once, where it should.

Rates are powers of two, which Keras's float32 variables hold exactly.
"""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed, centered, plain_gradient, random_rbm, sigmoid
from tests.oracles.rbm import parameters
from tests.support.statistics import assert_rounded

V, V_MODEL = binary_states(5)[9:14], binary_states(5)[[3, 17, 30]]
NUM_STEPS = 3
RATE = 0.125


def sgd(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    return x - RATE * g


def momentum(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    """The velocity has the learning rate in it already."""
    state["velocity"] = 0.75 * state.get("velocity", 0) - RATE * g
    return x + state["velocity"]


def decay(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    return x - RATE * 0.25 * x - RATE * g


def momentum_and_decay(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    """Decay is decoupled: it does not enter the velocity."""
    return momentum(step, x - RATE * 0.25 * x, g, state)


def schedule(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    return x - RATE * 0.5**step * g


def power_law(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    """Robbins and Monro's: `rate / (1 + step)`, rounded as Keras rounds it."""
    return x - np.float64(np.float32(RATE) / np.float32(1 + step)) * g


def linear(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    """To 0 in two steps, and 0 from then on."""
    return x - RATE * max(0.0, 1 - step / 2) * g


def adam_w(step: int, x: np.ndarray, g: np.ndarray, state: dict) -> np.ndarray:
    """With Keras's epsilon, which is Kingma and Ba's epsilon-hat: added before the bias correction."""
    x = x - RATE * 0.25 * x
    state["m"] = 0.5 * state.get("m", 0) + 0.5 * g
    state["v"] = 0.75 * state.get("v", 0) + 0.25 * g**2
    rate = RATE * np.sqrt(1 - 0.75 ** (step + 1)) / (1 - 0.5 ** (step + 1))
    return x - rate * state["m"] / (np.sqrt(state["v"]) + 2.0**-20)


CASES: dict[str, tuple[Callable, keras.optimizers.Optimizer]] = {
    "sgd": (sgd, lambda: keras.optimizers.SGD(RATE)),
    "momentum": (momentum, lambda: keras.optimizers.SGD(RATE, momentum=0.75)),
    "weight decay": (decay, lambda: keras.optimizers.SGD(RATE, weight_decay=0.25)),
    "momentum and weight decay": (
        momentum_and_decay,
        lambda: keras.optimizers.SGD(RATE, momentum=0.75, weight_decay=0.25),
    ),
    "schedule": (schedule, lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(RATE, 1, 0.5))),
    "power law": (power_law, lambda: keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(RATE, 1, 1.0))),
    "linear": (linear, lambda: keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(RATE, 2, 0.0))),
    "AdamW": (
        adam_w,
        lambda: keras.optimizers.AdamW(RATE, weight_decay=0.25, beta_1=0.5, beta_2=0.75, epsilon=2.0**-20),
    ),
}


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.few(8)
def test_three_steps_against_numpy(name, centring):
    """The offsets of the first steps are averages of all batches so far."""
    update, make_optimizer = CASES[name]
    rbm = random_rbm(sampler=Fixed(V_MODEL), centered=centring)
    x, states = list(parameters(rbm)[:3]), [{}, {}, {}]
    rbm.compile(make_optimizer(), run_eagerly=True)
    lam = np.zeros(4)
    for step in range(NUM_STEPS):
        rbm.train_on_batch(V)
        gradients = plain_gradient(x, V, V_MODEL)
        if centring:
            lam = lam + (sigmoid(V @ x[0] + x[2]).mean(0) - lam) / (step + 1)
            gradients = centered(gradients, V.mean(0), lam)
        x = [update(step, *each) for each in zip(x, gradients, states, strict=True)]
    for actual, expected in zip(parameters(rbm)[:3], x, strict=True):
        assert_rounded(actual, expected)


def test_constraints_are_kept_after_each_step():
    rbm = random_rbm(sampler=Fixed(V_MODEL), kernel_constraint=keras.constraints.MaxNorm(0.5))
    rbm.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    rbm.train_on_batch(V)
    norms = np.linalg.norm(rbm.w_rec, axis=0)
    assert norms.max() < 0.5 + 1e-6
    assert np.linalg.norm(rbm.visible.bias) > 0.5


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": True}], ids=["eager", "xla"])
@pytest.mark.few(1)
def test_fit_ends_at_the_average_of_the_iterates(options):
    """Polyak averaging, by Keras's `use_ema`: each epoch's end and steps in between are on the way to one average."""
    rbm = random_rbm(sampler=Fixed(V_MODEL), centered=False)
    x = list(parameters(rbm)[:3])
    rbm.compile(keras.optimizers.SGD(RATE, use_ema=True, ema_momentum=0.75), **options)
    batches = [V[:2], V[2:4], V[4:]]
    rbm.fit(V, batch_size=2, epochs=2, shuffle=False, verbose=0)
    average: list[np.ndarray] = []
    for v in 2 * batches:
        x = [old - RATE * g for old, g in zip(x, plain_gradient(x, v, V_MODEL), strict=True)]
        average = [0.75 * a + 0.25 * new for a, new in zip(average or x, x, strict=True)]
    for actual, expected, last in zip(parameters(rbm)[:3], average, x, strict=True):
        assert_rounded(actual, expected)
        assert np.abs(expected - last).max() > 1e-3
