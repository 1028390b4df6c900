"""Gibbs steps by noise that is given draw from the right distributions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, special
from keras_rbm.random import Draws, given
from tests.oracles.kinds import KINDS, POOLED, binary_states, index, moments
from tests.oracles.machines import randomize

NUMBER = 20_000
DRAWS = Draws([1, 2])


def noise(endpoint, number: int = NUMBER, seed: int = 0) -> tf.Tensor:
    """For an endpoint: each column has the middles of so many equal parts of [0, 1), in an order of its own."""
    rng, width = np.random.default_rng(seed), endpoint.inputs[-1].shape[1]
    grid = (np.arange(number) + 0.5) / number
    return tf.constant(np.stack([rng.permutation(grid) for _ in range(width)], 1), tf.float32)


@pytest.mark.parametrize("elementary", [False, True], ids=["native", "elementary"])
@pytest.mark.parametrize("name", [*KINDS, "pooled"])
def test_units_have_their_moments(name, elementary):
    kind = KINDS.get(name, POOLED)
    units = kind.make()
    if not units.built:
        units.build((None, kind.width))
    field = np.random.default_rng(1).normal(size=(1, kind.width)).astype("float32")
    with given() as numbers:
        units.sample(tf.constant(field), DRAWS)
    rng, grid = np.random.default_rng(0), (np.arange(NUMBER) + 0.5) / NUMBER
    u = np.stack([rng.permutation(grid) for _ in range(numbers.number)], 1).astype("float32")
    with given(tf.constant(u)):
        fields = tf.constant(np.tile(field, (NUMBER, 1)))
        if elementary:
            with special.elementary():
                x = units.sample(fields, DRAWS).numpy()
        else:
            x = units.sample(fields, DRAWS).numpy()
    mean, covariance = (m[0] for m in moments(kind.sites, field.astype("float64"), kind.gamma))
    deviation = np.sqrt(np.diagonal(covariance))
    # A grid has the mean almost exactly; two numbers a unit, and products, err as drawn ones do.
    slack = 5 / np.sqrt(NUMBER) if name in ("gaussian", "drelu", "mixed") else 2 * np.ptp(x, 0) / NUMBER / deviation
    assert (np.abs(x.mean(0) - mean) < deviation * slack + 1e-5).all()
    found = np.cov(x.T, bias=True)
    assert (np.abs(found - covariance) < 5 * 2 * np.outer(deviation, deviation) / np.sqrt(NUMBER)).all()


# --- whole sweeps


def built(machine, width: int = 3):
    machine.build((None, width))
    randomize(machine)
    return machine


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def log_p(p, states):
    """`log p(states)` of independent zeros and ones, `(batch, states)`."""
    return np.log(p) @ states.T + np.log1p(-p) @ (1 - states.T)


def transitions(rbm, state, biases=None):
    """`p(v' | v)` of a sweep from one state to each of all visible states, by enumeration."""
    w, b, c = (np.asarray(x, "float64") for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias))
    b, c = (b, c) if biases is None else biases
    v, h = binary_states(len(b)), binary_states(len(c))
    return np.exp(log_p(sigmoid(c + state @ w)[None], h)) @ np.exp(log_p(sigmoid(b + h @ w.T), v))


def frequencies(x):
    return np.bincount(index(binary_states(x.shape[1]), x), minlength=2 ** x.shape[1])[None] / len(x)


def assert_drawn_from(x, p):
    assert (np.abs(frequencies(x) - p) < 5 * np.sqrt(p * (1 - p) / len(x)) + 1e-12).all()


MACHINES = {"rbm": lambda: RBM(2, seed=0), "dbm": lambda: DBM([2, 2], seed=0), "dbn": lambda: DBN([3, 2], seed=0)}


@pytest.mark.parametrize("kind", MACHINES)
def test_a_sweep_moves_by_enumerated_probabilities(kind):
    machine = built(MACHINES[kind]())
    endpoint = machine._endpoints()["gibbs"]
    width = endpoint.inputs[0].shape[1]
    state = np.array([1, 0, 1, 1, 0][:width], "float32")
    before = machine.undirected().stream.key.numpy()
    found = endpoint.ask(tf.tile(state[None], (NUMBER, 1)), noise(endpoint))
    p = transitions(machine.undirected(), state)
    assert_drawn_from(found["next_states"].numpy(), p)
    assert_drawn_from(found["h"].numpy(), np.exp(log_p(hidden_p(machine.undirected(), state), all_hidden(machine))))
    np.testing.assert_array_equal(machine.undirected().stream.key, before)
    if kind != "dbn":
        np.testing.assert_array_equal(found["v"], found["next_states"][:, :3])
        assert np.abs(found["mean"].numpy().mean(0) - found["v"].numpy().mean(0)).max() < 5 * 0.5 / np.sqrt(NUMBER)


def hidden_p(rbm, state):
    return sigmoid(np.asarray(rbm.hidden.bias, "float64") + state @ np.asarray(rbm.w_rec, "float64"))[None]


def all_hidden(machine):
    return binary_states(machine.undirected().hidden.width)


def test_the_start_is_drawn_from_the_biases():
    machine = built(RBM(2, seed=0))
    start = machine._endpoints()["start"]
    x = start.ask(noise(start)).numpy()
    assert_drawn_from(x, np.exp(log_p(sigmoid(np.asarray(machine.visible.bias, "float64"))[None], binary_states(3))))


def test_a_dbn_goes_down_by_its_directed_layers():
    machine = built(MACHINES["dbn"]())
    down = machine._endpoints()["down"]
    state = np.array([1, 0, 1], "float32")
    found = down.ask(tf.tile(state[None], (NUMBER, 1)), noise(down))
    p = np.asarray(machine.rbms[0].mean_v_from_h(state[None]), "float64")
    np.testing.assert_allclose(found["mean"], np.tile(p, (NUMBER, 1)), rtol=1e-5)
    assert_drawn_from(found["v"].numpy(), np.exp(log_p(p, binary_states(3))))


@pytest.mark.parametrize("kind", ["rbm", "dbm"])
def test_clamped_units_stay_and_the_others_follow(kind):
    """From the first sweep on, whatever state came in."""
    machine = built(MACHINES[kind]())
    endpoint = machine._endpoints()["gibbs_clamped"]
    states = np.zeros((NUMBER, endpoint.inputs[0].shape[1]), "float32")
    mask, values = np.array([True, False, False]), np.array([1, 1, 1], "float32")
    found = endpoint.ask(states, *(np.tile(x, (NUMBER, 1)) for x in (mask, values)), noise(endpoint))
    x = found["next_states"].numpy()
    assert (x[:, 0] == 1).all()
    assert (found["mean"].numpy()[:, 0] == 1).all()
    held = states[0].copy()
    held[0] = 1
    p = transitions(machine.undirected(), held)
    free = p.reshape(-1, 2).sum(1)[None]  # the first unit changes fastest
    assert_drawn_from(x[:, 1:], free)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClassificationRBM(3, 3, seed=0),
        lambda: DBN([4, 3], num_classes=3, seed=0),
        lambda: DBM([3, 2], num_classes=3, seed=0),
    ],
    ids=["classification", "dbn", "dbm"],
)
def test_a_class_is_held(make):
    """A sweep with a class held is one of the machine with the label units clamped by hand."""
    machine = built(make())
    endpoint = machine._endpoints()["gibbs_of_class"]
    states = (np.random.default_rng(0).random((50, endpoint.inputs[0].shape[1])) < 0.5).astype("float32")
    y = np.arange(50, dtype="int32") % 3
    u = noise(endpoint, 50)
    found = endpoint.ask(states, y, u)
    nan = np.full((50, machine.visible.width), np.nan)
    clamp = machine._checked_clamp("observed", np.concatenate([nan, np.eye(3)[y]], 1))
    with given(u):
        wanted = machine._step(tf.constant(states), clamp)
    for name in found:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    with given(u):
        other = machine._step(tf.constant(states), machine._class_clamp((y + 1) % 3))
    assert not np.array_equal(found["h"], other["h"])


def test_numbers_that_were_rounded_up_to_1_are_drawn_with():
    machine = built(RBM(3, hidden="gaussian", seed=0))
    endpoint = machine._endpoints()["gibbs"]
    found = endpoint.ask(tf.zeros((1, 3)), tf.ones((1, endpoint.inputs[-1].shape[1])))
    assert all(np.isfinite(x).all() for x in found.values())


# --- frames

RECURRENT = {
    "lstm": lambda: RNNRBM(2, keras.layers.LSTM(3, seed=0), seed=0),
    "stack": lambda: RNNRBM(2, [keras.layers.GRU(4, seed=0), keras.layers.SimpleRNN(3, seed=1)], seed=0),
    "rtrbm": lambda: RTRBM(2, seed=0),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_frames_are_remembered_and_drawn(kind):
    model = RECURRENT[kind]()
    model.build((None, None, 3))
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    endpoints = model._endpoints()
    frames = binary_states(3)[None, [1, 6, 3, 5]].astype("float32")
    memory = tf.zeros((1, endpoints["remember"].inputs[1].shape[1]))
    for t in range(4):
        found = endpoints["remember"].ask(frames[:, t], memory)
        np.testing.assert_allclose(found["h"], model.encode(frames)[:, t], atol=1e-6)
        memory = found["next_memory"]
    after = tf.concat(tf.nest.flatten(model.memory_after(frames)), 1)
    np.testing.assert_allclose(memory, after, atol=1e-6)
    b, c = (np.asarray(x, "float64")[:, -1] for x in model.frame_biases(np.concatenate([frames, frames[:, :1]], 1)))
    gibbs, state = endpoints["gibbs"], np.array([1, 0, 1], "float32")
    rows = [tf.tile(x, (NUMBER, 1)) for x in (state[None], memory)]
    assert_drawn_from(gibbs.ask(*rows, noise(gibbs))["v"].numpy(), transitions(model.rbm, state, (b[0], c[0])))
    start = endpoints["start"]
    assert_drawn_from(start.ask(rows[1], noise(start)).numpy(), np.exp(log_p(sigmoid(b), binary_states(3))))
    clamped = endpoints["gibbs_clamped"]
    held = [tf.fill((NUMBER, 3), False), tf.zeros((NUMBER, 3))]
    held[0] = tf.constant(np.tile([False, True, False], (NUMBER, 1)))
    assert (clamped.ask(*rows, *held, noise(clamped))["v"].numpy()[:, 1] == 0).all()
