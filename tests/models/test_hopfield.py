"""The Hopfield network: Hebb's rule, recall, and what it is as an RBM."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, Hopfield, units
from keras_rbm.likelihood import exact_log_partition
from keras_rbm.samplers.sampler import Samples
from tests.oracles.kinds import binary_states
from tests.oracles.machines import centered, randomize
from tests.oracles.rbm import Exact, exact_gradient
from tests.support.statistics import assert_frequencies, assert_rounded
from tests.support.steps import contrastive_gradients

VISIBLE = ["spin", "bernoulli"]


def spins(number: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], (number, width))


def as_states(s: np.ndarray, visible: str) -> np.ndarray:
    """Spins as states of a kind of units."""
    return s if visible == "spin" else (s + 1) / 2


def storing(s: np.ndarray, visible: str, beta: float = 1.0, **kwargs) -> Hopfield:
    """A network that stores the patterns `s`, given as spins."""
    net = Hopfield(len(s), visible=visible, **{"seed": 0, "dtype": "float64", **kwargs})
    net.store(as_states(s, visible), beta)
    return net


def hopfield_energy(s: np.ndarray, patterns: np.ndarray, beta: float) -> np.ndarray:
    """Hopfield's own: `-beta / 2n * sum over patterns of (s . pattern)^2`."""
    return -beta / 2 / patterns.shape[1] * ((s @ patterns.T) ** 2).sum(1)


# --- Hebb's rule


@pytest.mark.parametrize("beta", [1.0, 2.5])
@pytest.mark.parametrize("visible", VISIBLE)
def test_the_free_energy_is_hopfields(visible, beta):
    """Up to a constant, of every state, whichever two numbers stand for it."""
    patterns, every = spins(3, 6), 2 * binary_states(6) - 1
    net = storing(patterns, visible, beta)
    difference = np.array(net.free_energy(as_states(every, visible))) - hopfield_energy(every, patterns, beta)
    assert_rounded(difference, np.full(64, difference[0]))


def test_couplings_are_those_of_hebb():
    patterns = spins(2, 6)
    net = storing(patterns, "spin", 2.0)
    w = np.array(net.w_rec)
    assert_rounded(w @ w.T, 2.0 / 6 * patterns.T @ patterns)
    assert_rounded(net.visible.bias, np.zeros(6))
    table = Exact(net)  # hidden units on a grid
    log_p = np.log(table.p_v)
    j = table.v @ (w @ w.T) * table.v
    assert_rounded(log_p - j.sum(1) / 2, np.full(64, (log_p - j.sum(1) / 2)[0]))


@pytest.mark.parametrize("visible", VISIBLE)
def test_fewer_patterns_than_hidden_units_and_what_was_before_is_forgotten(visible):
    patterns = spins(2, 6)
    net = Hopfield(4, visible=visible, sampler="pcd", dtype="float64", seed=0)
    net.store(as_states(spins(4, 6, seed=5), visible))
    chains = np.array(net.sampler.chains)
    net.store(as_states(patterns, visible))
    assert not np.array_equal(net.sampler.chains, chains), "chains start anew"
    few = storing(patterns, visible)
    assert_rounded(net.w_rec[:, :2], few.w_rec)
    np.testing.assert_array_equal(net.w_rec[:, 2:], np.zeros((6, 2)))
    assert_rounded(net.visible.bias, few.visible.bias)


def test_it_samples_and_has_a_likelihood():
    net = storing(spins(2, 5), "spin", 1.5)
    table = Exact(net)
    assert_frequencies(table.index(net.sample(20000, num_steps=100)), table.p_v)
    log_p = -np.array(net.free_energy(table.v)) - exact_log_partition(net)
    np.testing.assert_allclose(np.exp(log_p), table.p_v, rtol=1e-9)


# --- recall


@pytest.mark.parametrize("visible", VISIBLE)
def test_recall_goes_downhill_to_the_end(visible):
    """Each further sweep lowers the free energy or changes nothing; no single flip lowers it in the end."""
    net = storing(spins(5, 24), visible, dtype="float32")
    start = v = as_states(spins(40, 24, seed=3), visible).astype("float32")
    energies = [np.array(net.free_energy(v))]
    for num_sweeps in range(1, 6):
        v = np.array(net.recall(start, num_sweeps))
        energies.append(np.array(net.free_energy(v)))
    assert np.diff(energies, axis=0).max() <= 1e-5
    assert (energies[-1] < energies[0] - 0.01).mean() > 0.9
    end = np.array(net.recall(start))
    np.testing.assert_array_equal(net.recall(end), end)
    low, high = net.visible.states
    flips = end[:, None] + (low + high - 2 * end)[:, None] * np.eye(24, dtype="float32")
    lowest = np.array(net.free_energy(flips.reshape(-1, 24))).reshape(40, 24).min(1)
    assert np.all(lowest >= energies[-1] - 1e-5)


def test_units_change_one_after_the_other():
    """One sweep, by hand, from the couplings without the diagonal; a unit that feels nothing stays as it is."""
    patterns, start = spins(2, 16), spins(20, 16, seed=4)
    j = patterns.T @ patterns * (1 - np.eye(16))  # 16 units: all numbers on the way are exact
    expected, ties = start.copy(), 0
    for i in range(16):
        field = expected @ j[i]
        expected[:, i] = np.where(field == 0, expected[:, i], np.sign(field))
        ties += np.sum((field == 0) & (start[:, i] == 1))
    assert ties > 0
    found = storing(patterns, "spin", dtype="float32").recall(start, num_sweeps=1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("visible", VISIBLE)
def test_recall_of_states_by_a_trained_network(visible):
    """With biases, and couplings of no pattern."""
    net = Hopfield(3, visible=visible, seed=0)
    net.build((None, 7))
    randomize(net, 0.7)
    v = as_states(2 * binary_states(7) - 1, visible)
    end = np.array(net.recall(v))
    energy = dict(zip(map(bytes, v.astype("float32")), np.array(net.free_energy(v)), strict=True))
    low, high = net.visible.states
    for state in np.unique(end, axis=0):
        flips = state + (low + high - 2 * state) * np.eye(7, dtype="float32")
        assert min(energy[bytes(f)] for f in flips) >= energy[bytes(state)] - 1e-5


def test_recall_in_float64():
    s = spins(2, 12)
    assert np.array(storing(s, "spin").recall(s)).dtype == np.float64


def test_the_capacity_curve():
    """A tenth of n patterns are recalled; beyond 0.138 n (Amit, Gutfreund & Sompolinsky, 1985), ever less of them."""
    n, rng, found = 400, np.random.default_rng(1), []
    net = Hopfield(120, seed=0)
    for load in (0.05, 0.1, 0.2, 0.3):
        patterns = spins(round(load * n), n, seed=2)
        net.store(patterns)
        s = patterns[:20]
        recalled = net.recall(np.where(rng.random(s.shape) < 0.1, -s, s)).numpy()
        found.append(np.mean(recalled * s))
    assert found[0] > 0.999
    assert found[1] > 0.97
    assert found[0] >= found[1] > found[2] > found[3]
    assert found[2] < 0.8
    assert found[3] < 0.6


# --- learning


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_its_gradient_is_that_of_an_rbm_whose_hidden_units_are_fixed(centring):
    """Centred, only lambda matters: no hidden bias could balance an offset of the visible units."""
    net = Hopfield(2, visible="bernoulli", centered=centring, offset_rate=1.0, dtype="float64", seed=0)
    net.build((None, 5))
    randomize(net)
    v, table = binary_states(5)[3:11], Exact(net)
    weights = np.ones(len(v))
    samples = Samples(tf.constant(table.v), tf.constant(table.p_v))
    lesson = contrastive_gradients(net, v, weights, samples)
    found = {id(variable): np.array(g) for variable, g in lesson.gradients}
    expected = exact_gradient(_plain(net), v)
    if centring:
        lam = np.mean(v @ np.array(net.w_rec), 0)
        expected = centered(expected, np.zeros(5), lam)
    assert [variable.name for variable in net.trainable_variables] == ["w_rec", "bias"]
    for variable, gradient in zip((net.w_rec, net.visible.bias), expected, strict=False):
        np.testing.assert_allclose(found[id(variable)], gradient, rtol=0, atol=1e-9)


def _plain(net: Hopfield) -> RBM:
    """An RBM with Gaussian hidden units and the network's parameters."""
    rbm = RBM(net.units, hidden=units.Gaussian(1.0, dtype="float64"), dtype="float64")
    rbm.build((None, net.visible.width))
    rbm.w_rec.assign(net.w_rec)
    rbm.visible.bias.assign(net.visible.bias)
    return rbm


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.few(1)
def test_fit_learns_and_leaves_the_hidden_units_alone(visible):
    x = as_states(np.repeat(spins(2, 8), 10, 0), visible)
    net = Hopfield(2, visible=visible, sampler="pcd", seed=0)
    net.compile(keras.optimizers.SGD(0.3), run_eagerly=True)
    logs = net.fit(x, epochs=20, batch_size=20, verbose=0).history
    assert logs["pseudo_log_likelihood"][-1] > logs["pseudo_log_likelihood"][0] + 1
    np.testing.assert_array_equal(net.hidden.bias, np.zeros(2))
    np.testing.assert_array_equal(net.hidden.precision, np.ones(2))
    assert np.abs(net.w_rec).max() > 0.1
    patterns = np.unique(x, axis=0)
    np.testing.assert_array_equal(net.recall(patterns), patterns)
    other = as_states(spins(2, 8, seed=9), visible)
    net.store(other)
    fresh = storing(as_states(other, "spin") if visible == "spin" else 2 * other - 1, visible, dtype="float32")
    assert_rounded(net.w_rec, fresh.w_rec)
    assert_rounded(net.visible.bias, fresh.visible.bias)


def test_it_comes_back(tmp_path):
    net = Hopfield(3, visible="bernoulli", sampler="pcd", kernel_regularizer="l2", seed=3)
    net.compile("adam", run_eagerly=True)
    x = as_states(spins(9, 6), "bernoulli")
    net.fit(x, verbose=0)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert type(loaded) is Hopfield
    assert {"hidden", "tied"}.isdisjoint(net.get_config())
    for machine in (net, loaded):
        machine.reset_metrics()
    assert net.train_on_batch(x, return_dict=True) == loaded.train_on_batch(x, return_dict=True)
    for a, b in zip(net.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(net.recall(x), loaded.recall(x))
    assert not loaded.hidden.trainable_variables
    copy = Hopfield.from_config(net.get_config())
    assert copy.visible.kind == net.visible.kind
    assert copy.units == 3


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"visible": "gaussian", "kernel_constraint": "max_norm"}, "two states. Received: Gaussian units"),
        ({"visible": "gaussian"}, "two states. Received: Gaussian units"),
        ({"visible": units.Softmax(2)}, "two states. Received: Softmax units"),
        ({"visible": units.Binomial(2)}, "two states. Received: Binomial units"),
        ({"hidden": "bernoulli"}, "fixed Gaussian hidden units and tied weights. Received: hidden"),
        ({"tied": False}, "tied weights. Received: tied"),
        ({"units": 0}, "`units` must be a positive integer"),
    ],
    ids=str,
)
def test_bad_networks(arguments, message):
    with pytest.raises(ValueError, match=message):
        Hopfield(**{"units": 3, **arguments})


@pytest.mark.parametrize(
    ("visible", "patterns", "message"),
    [
        ("spin", spins(4, 6), "3 hidden units stores as many patterns.*Received: 4 patterns"),
        ("spin", binary_states(6)[:3], "Spin units need values -1 or 1. Received: min=0"),
        ("bernoulli", spins(3, 6), r"Bernoulli units need values in \[0, 1\]. Received: min=-1"),
        ("bernoulli", np.full((3, 6), 0.5), "of 0 and 1. Received: 3 patterns, from 0.5 to 0.5"),
        ("spin", np.full((3, 6), np.nan), "NaN"),
        ("spin", spins(3, 7), r"\(batch, 6\). Received: shape=\(3, 7\)"),
        ("spin", spins(3, 6)[0], r"\(batch, 6\). Received: shape=\(6,\)"),
        ("spin", spins(3, 6)[:0], "at least one row"),
    ],
)
def test_patterns_that_cannot_be_stored(visible, patterns, message):
    net = storing(spins(3, 6), visible)
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        net.store(patterns)
    for a, b in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("beta", [0.0, -1.0, np.inf, np.nan])
def test_bad_temperatures(beta):
    with pytest.raises(ValueError, match=f"`beta` must be positive. Received: beta={beta!r}"):
        Hopfield(3).store(spins(3, 6), beta=beta)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"v": np.zeros((2, 6))}, "starts from states, -1 and 1. Received: other values"),
        ({"v": np.full((2, 6), np.nan)}, "starts from states"),
        ({"v": spins(2, 7)}, r"\(batch, 6\). Received: shape=\(2, 7\)"),
        ({"num_sweeps": 0}, "`num_sweeps` must be a positive integer. Received: num_sweeps=0"),
        ({"num_sweeps": 1.5}, "Received: num_sweeps=1.5"),
    ],
    ids=str,
)
def test_bad_recalls(arguments, message):
    with pytest.raises(ValueError, match=message):
        storing(spins(3, 6), "spin").recall(**{"v": spins(2, 6), **arguments})


def test_an_empty_network_recalls_nothing():
    with pytest.raises(ValueError, match="must be built before it recalls"):
        Hopfield(3).recall(spins(2, 6))
